WITH asked AS MATERIALIZED (
    SELECT p.id, p.time_zone, date '{first_day}' + :d::int AS date,
           now() + p.min_notice_minutes * interval '1 minute' AS earliest,
           now() + p.horizon_days * interval '1 day' AS latest
      FROM practitioners p WHERE p.id = :p::int8 AND p.active),
hours AS MATERIALIZED (
    SELECT (q.date + h.start_time) AT TIME ZONE q.time_zone AS opens,
           (q.date + (h.end_time <= h.start_time)::int + h.end_time) AT TIME ZONE q.time_zone AS closes,
           h.slot * interval '1 minute' AS slot
      FROM asked q, LATERAL (
           SELECT start_time, end_time, slot_duration_minutes AS slot
             FROM practitioner_date_overrides o
            WHERE o.practitioner_id = q.id AND o.date = q.date AND NOT o.closed
            UNION ALL
           SELECT start_time, end_time, slot_duration_minutes FROM practitioner_schedules s
            WHERE s.practitioner_id = q.id AND s.is_available
              AND s.day_of_week = extract(dow FROM q.date)
              AND NOT EXISTS (SELECT FROM practitioner_date_overrides o
                               WHERE o.practitioner_id = q.id AND o.date = q.date)) h),
busy AS MATERIALIZED (
    SELECT range_agg(tstzrange(a.blocked_from, a.blocked_until)) AS taken FROM appointments a
     WHERE a.practitioner_id = :p::int8 AND a.status IN ('held', 'scheduled', 'confirmed')
       AND a.starts_at > (SELECT min(opens) FROM hours) - interval '36 hours'
       AND a.starts_at < (SELECT max(closes) FROM hours) + interval '12 hours'
       AND a.blocked_until > (SELECT min(opens) FROM hours)
       AND a.blocked_from < (SELECT max(closes) FROM hours)
       AND (a.hold_expires_at IS NULL OR a.hold_expires_at > now()))
SELECT translate(to_char(s.start AT TIME ZONE q.time_zone, 'HH12.MI AM'), '.', chr(58)) AS time,
       s.start BETWEEN q.earliest AND q.latest
           AND NOT coalesce(b.taken && tstzrange(s.start, s.start + h.slot), false) AS available,
       s.start AS starts_at, extract(epoch FROM h.slot)::int / 60 AS duration_minutes
  FROM asked q, busy b, hours h, generate_series(h.opens, h.closes - h.slot, h.slot) s(start)
 ORDER BY s.start
