-- The demo clinic: six practitioners in six time zones, their hours, and a year of visits.
--
-- Run by ./quickstart with search_path = booking,public. Safe twice: whatever practitioner is
-- there already is left alone, with all that belongs to them. Dates are relative to today.
-- Names, e-mails and notes of clients are sealed by the module and cannot be made in SQL:
-- the demo's visits have none.

\set ON_ERROR_STOP on
BEGIN;

CREATE TEMP TABLE fresh ON COMMIT DROP AS
SELECT g.id FROM generate_series(1, 6) AS g (id)
 WHERE NOT EXISTS (SELECT FROM practitioners p
                    WHERE p.id = g.id OR p.user_id = 'therapist-' || g.id);

-- Practitioners ---------------------------------------------------------------------------

INSERT INTO practitioners
    (id, user_id, name, specialty, reviews, rating, price, badge, education, degree,
     location_type, conditions, bio, years_experience, approach, languages, certifications,
     availability, insurance_accepted, session_format, email, preferred_video_platform,
     time_zone, buffer_before_minutes, buffer_after_minutes, min_notice_minutes, horizon_days,
     cancel_notice_hours)
SELECT v.* FROM (VALUES
    (1, 'therapist-1', 'Dr. Lena Hartmann', 'Cognitive behavioural therapy', 128, 4.9, 110,
     'Top rated', 'Humboldt-Universität zu Berlin', 'PhD', 'hybrid',
     ARRAY['Anxiety', 'Panic', 'Insomnia'],
     'Works with people whose worries keep them awake.', 14, 'CBT',
     ARRAY['German', 'English'], ARRAY['Approbation'], 'Weekdays 9am - 5pm',
     ARRAY['TK', 'AOK'], ARRAY['online', 'in-person'], 'lena.hartmann@clinic.example', 'zoom',
     'Europe/Berlin', 0, 0, 120, 365, 24),
    (2, 'therapist-2', 'Marcus Bell', 'Couples therapy', 86, 4.7, 150,
     NULL, 'New York University', 'LMFT', 'online',
     ARRAY['Relationships', 'Communication'],
     'Helps couples to have the talk they have been putting off.', 9, 'Emotionally focused',
     ARRAY['English', 'Spanish'], ARRAY['LMFT'], 'Tuesday to Saturday',
     ARRAY['Aetna', 'Cigna'], ARRAY['online'], 'marcus.bell@clinic.example', 'google-meet',
     'America/New_York', 15, 15, 240, 365, 48),
    (3, 'therapist-3', 'Dr. Ananya Rao', 'Trauma therapy', 203, 5.0, 60,
     'Most booked', 'NIMHANS Bengaluru', 'MD', 'online',
     ARRAY['Trauma', 'PTSD', 'Grief'],
     'Steady, careful work after things that should not have happened.', 17, 'EMDR',
     ARRAY['English', 'Hindi', 'Kannada'], ARRAY['EMDR Europe'], 'Monday to Saturday',
     ARRAY[]::text[], ARRAY['online'], 'ananya.rao@clinic.example', 'google-meet',
     'Asia/Kolkata', 0, 10, 60, 300, 12),
    (4, 'therapist-4', 'Jack Whitlam', 'Night-time crisis counselling', 41, 4.8, 90,
     NULL, 'University of Sydney', 'MSc', 'online',
     ARRAY['Crisis', 'Loneliness'],
     'Awake when others are not.', 6, 'Solution focused',
     ARRAY['English'], ARRAY['PACFA'], 'Evenings and nights',
     ARRAY[]::text[], ARRAY['online'], 'jack.whitlam@clinic.example', 'zoom',
     'Australia/Lord_Howe', 0, 0, 30, 200, 0),
    (5, 'therapist-5', 'Grace Okafor', 'Child and family therapy', 97, 4.9, 95,
     NULL, 'King''s College London', 'DClinPsy', 'in-person',
     ARRAY['Family', 'ADHD', 'School'],
     'Sees the whole family, not only the child who was sent.', 11, 'Systemic',
     ARRAY['English', 'French', 'Yoruba'], ARRAY['HCPC'], 'Weekdays and Saturday mornings',
     ARRAY['Bupa'], ARRAY['online', 'in-person'], 'grace.okafor@clinic.example', 'teams',
     'Europe/London', 0, 15, 1440, 365, 24),
    (6, 'therapist-6', 'Beatriz Nogueira', 'Mindfulness', 64, 4.6, 55,
     NULL, 'Universidade de São Paulo', 'MSc', 'online',
     ARRAY['Stress', 'Burnout'],
     'Short, regular sessions that fit into a working day.', 8, 'MBSR',
     ARRAY['Portuguese', 'English'], ARRAY['CRP'], 'Weekday mornings and evenings',
     ARRAY['Unimed'], ARRAY['online'], 'beatriz.nogueira@clinic.example', 'zoom',
     'America/Sao_Paulo', 5, 5, 0, 365, 4)
    ) v (id)
  JOIN fresh USING (id);

-- The ids above were given by hand; those to come must not meet them.
SELECT setval('practitioners_id_seq',
              GREATEST((SELECT max(id) FROM practitioners),
                       (SELECT last_value FROM practitioners_id_seq)))
 WHERE EXISTS (SELECT FROM fresh);

-- Opening hours ---------------------------------------------------------------------------

-- days: digits, 0 = Sunday.
INSERT INTO practitioner_schedules
    (practitioner_id, day_of_week, start_time, end_time, slot_duration_minutes, notes)
SELECT h.id, day::int, opens::time, closes::time, minutes, note
  FROM (VALUES
    (1, '1234',  '09:00', '13:00', 60, NULL),
    (1, '1234',  '14:00', '18:00', 60, 'after lunch'),
    (1, '5',     '09:00', '13:00', 60, NULL),
    (2, '23456', '10:00', '13:00', 90, NULL),
    (2, '2345',  '14:30', '19:00', 90, NULL),
    (3, '123456', '10:00', '14:00', 50, NULL),
    (3, '12345', '16:00', '20:10', 50, 'evening'),
    (4, '0356',  '20:00', '02:00', 60, 'overnight'),
    (4, '2',     '21:00', '24:00', 30, NULL),
    (5, '12345', '08:30', '12:30', 60, NULL),
    (5, '124',   '13:30', '16:30', 45, NULL),
    (5, '6',     '09:00', '12:00', 60, NULL),
    (6, '12345', '07:00', '10:00', 30, NULL),
    (6, '135',   '18:00', '21:00', 30, NULL)
    ) h (id, days, opens, closes, minutes, note)
  JOIN fresh USING (id)
  CROSS JOIN LATERAL string_to_table(days, NULL) day;

-- Dates that differ from the week: holidays, a week away, extra hours, another rhythm. Given
-- as the n-th such weekday (0 = Sunday) after today, for a number of days.
INSERT INTO practitioner_date_overrides
    (practitioner_id, date, closed, start_time, end_time, slot_duration_minutes, note)
SELECT p.id, today + 1 + (weekday - extract(dow FROM today + 1)::int + 7) % 7 + (nth - 1) * 7 + n,
       opens IS NULL, opens::time, closes::time, minutes, note
  FROM (VALUES
    (1, 2, 2, 2, NULL, NULL, 60, 'training'),
    (1, 3, 6, 1, '10:00', '15:00', 60, 'extra Saturday'),
    (2, 2, 4, 1, NULL, NULL, 60, 'holiday'),
    (2, 3, 0, 1, '11:00', '17:00', 60, 'Sunday clinic, shorter visits'),
    (3, 2, 3, 1, NULL, NULL, 60, 'festival'),
    (4, 1, 5, 1, '18:00', '22:00', 60, 'early shift'),
    (5, 6, 1, 6, NULL, NULL, 60, 'away'),
    (6, 4, 1, 1, NULL, NULL, 60, 'public holiday')
    ) o (id, nth, weekday, days, opens, closes, minutes, note)
  JOIN fresh USING (id)
  JOIN practitioners p USING (id)
  CROSS JOIN LATERAL (SELECT (now() AT TIME ZONE p.time_zone)::date AS today) t
  CROSS JOIN LATERAL generate_series(0, days - 1) n;

-- Clients and visits ----------------------------------------------------------------------

INSERT INTO people (user_id)
SELECT 'user-' || n FROM generate_series(1, 60) n
 WHERE EXISTS (SELECT FROM fresh)
ON CONFLICT DO NOTHING;

-- Every slot from half a year ago to half a year ahead, with a number in [0, 1) that depends
-- on nothing but the slot: the same clinic on every machine on the same day.
CREATE TEMP TABLE slots ON COMMIT DROP AS
SELECT p.id AS practitioner_id, p.time_zone, s.starts_at,
       s.starts_at + w.length AS ends_at, w.length,
       (hashtextextended(p.id || '/' || s.starts_at::text, 1) & 1048575) / 1048576.0 AS dice,
       1 + (hashtextextended(p.id || '/' || s.starts_at::text, 2) & 1048575) % 60 AS client
  FROM fresh
  JOIN practitioners p USING (id)
  CROSS JOIN LATERAL generate_series(-183, 183) n
  CROSS JOIN LATERAL (SELECT (now() AT TIME ZONE p.time_zone)::date + n AS day) d
  CROSS JOIN LATERAL (
      SELECT start_time, end_time, slot_duration_minutes FROM practitioner_date_overrides
       WHERE practitioner_id = p.id AND date = day AND NOT closed
      UNION ALL
      SELECT start_time, end_time, slot_duration_minutes FROM practitioner_schedules
       WHERE practitioner_id = p.id AND day_of_week = extract(dow FROM day) AND is_available
         AND NOT EXISTS (SELECT FROM practitioner_date_overrides
                          WHERE practitioner_id = p.id AND date = day)) h
  CROSS JOIN LATERAL (
      SELECT (day + start_time) AT TIME ZONE p.time_zone AS opens,
             (day + end_time + CASE WHEN end_time > start_time THEN interval '0'
                                    ELSE interval '1 day' END) AT TIME ZONE p.time_zone AS closes,
             slot_duration_minutes * interval '1 minute' AS length) w
  CROSS JOIN LATERAL generate_series(w.opens, w.closes - w.length, w.length) AS s (starts_at);

-- All as confirmed, so that the constraints throw out what would overlap; the past gets its
-- outcome afterwards. The calendar is fuller near today than far ahead.
INSERT INTO appointments
    (user_id, client_id, practitioner_id, practitioner_name, date, time, session_type, status,
     created_at, updated_at, starts_at, ends_at, blocked_from, blocked_until)
SELECT c.user_id, c.id, p.id, p.name,
       (s.starts_at AT TIME ZONE s.time_zone)::date, (s.starts_at AT TIME ZONE s.time_zone)::time,
       (ARRAY['Initial Consultation', 'Individual', 'Follow-up'])[1 + client % 3],
       'confirmed', booked, booked, s.starts_at, s.ends_at,
       s.starts_at - p.buffer_before_minutes * interval '1 minute',
       s.ends_at + p.buffer_after_minutes * interval '1 minute'
  FROM slots s
  JOIN practitioners p ON p.id = s.practitioner_id
  JOIN people c ON c.user_id = 'user-' || s.client
  CROSS JOIN LATERAL (
      SELECT LEAST(now() - interval '1 hour', s.starts_at - interval '1 day')
             - s.dice * interval '20 days' AS booked) b
 WHERE dice < CASE WHEN s.starts_at < now() THEN 0.75
                   ELSE 0.65 - 0.5 * extract(epoch FROM s.starts_at - now()) / (183 * 86400.0) END
 ORDER BY s.starts_at, p.id
ON CONFLICT DO NOTHING;

UPDATE appointments a
   SET status = CASE WHEN dice < 0.08 THEN 'cancelled'
                     WHEN dice < 0.12 THEN 'no_show'
                     ELSE 'completed' END,
       cancelled_at = CASE WHEN dice < 0.08 THEN a.starts_at - interval '20 hours' END,
       cancelled_by = CASE WHEN dice < 0.08 THEN a.user_id END,
       late_cancel = dice < 0.08 AND p.cancel_notice_hours > 20,
       revision = 1, updated_at = a.ends_at
  FROM slots s JOIN practitioners p ON p.id = s.practitioner_id
 WHERE s.practitioner_id = a.practitioner_id AND s.starts_at = a.starts_at
   AND a.ends_at < now();

-- The start of a year of real use would have left these behind.
ANALYZE practitioners, practitioner_schedules, practitioner_date_overrides, people, appointments;

COMMIT;
