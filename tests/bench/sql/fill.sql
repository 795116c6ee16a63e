-- A practice of :practitioners people with :visits visits in the future, eight of the sixteen
-- half hours of every weekday from :first_day on. The constraints are dropped for the load and
-- made again at its end, so they have checked every row.
\set ON_ERROR_STOP on
SET search_path = booking, public;
SET maintenance_work_mem = '1GB';
SET synchronous_commit = off;

INSERT INTO practitioners (id, name, specialty, user_id, email, time_zone, horizon_days, languages)
SELECT p, 'Practitioner ' || p, CASE WHEN p <= 10 THEN 'Ten' ELSE 'Others' END,
       'practitioner-' || p, 'practitioner' || p || '@example.org', 'Europe/Berlin', 3660,
       ARRAY['English', 'German']
  FROM generate_series(1, :practitioners) p;
INSERT INTO practitioner_schedules (practitioner_id, day_of_week, start_time, end_time,
                                    slot_duration_minutes)
SELECT p.id, day, '09:00', '17:00', 30 FROM practitioners p, generate_series(1, 5) day;
-- One version for all, so that pgbench can name it.
ALTER TABLE practitioners DISABLE TRIGGER USER;
UPDATE practitioners SET schedule_version = 1000;
ALTER TABLE practitioners ENABLE TRIGGER USER;
INSERT INTO people (id, user_id)
SELECT u, 'user-' || u FROM generate_series(1, :users) u;

CREATE TEMP TABLE constraints_then AS
SELECT conname, pg_get_constraintdef(oid) AS definition FROM pg_constraint
 WHERE conrelid = 'appointments'::regclass AND contype = 'x';
CREATE TEMP TABLE indexes_then AS
SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition
  FROM pg_index i
 WHERE i.indrelid = 'appointments'::regclass
   AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid);
SELECT format('ALTER TABLE appointments DROP CONSTRAINT %I', conname) FROM constraints_then \gexec
SELECT 'DROP INDEX ' || name FROM indexes_then \gexec

CREATE TEMP TABLE visits_then AS
SELECT row_number() OVER (ORDER BY starts_at, practitioner_id) AS n, *
  FROM (SELECT p.id AS practitioner_id, p.name, day::date AS date,
               time '09:00' + i * interval '30 minutes' AS time,
               (day::date + time '09:00' + i * interval '30 minutes') AT TIME ZONE 'Europe/Berlin'
                   AS starts_at,
               row_number() OVER (PARTITION BY p.id, day
                                  ORDER BY hashint8extended(p.id * 100 + i, day::date - date '2000-01-01'))
                   AS rank
          FROM practitioners p, generate_series(0, 15) i,
               generate_series(date :'first_day', date :'last_day', interval '1 day') day
         WHERE extract(isodow FROM day) < 6) s
 WHERE rank <= 8
 ORDER BY starts_at, practitioner_id LIMIT :visits;
INSERT INTO appointments (user_id, client_id, practitioner_id, practitioner_name, date, time,
                          starts_at, ends_at, blocked_from, blocked_until, session_type)
SELECT 'user-' || 1 + n % :users, 1 + n % :users, practitioner_id, name, date, time,
       starts_at, starts_at + interval '30 minutes', starts_at, starts_at + interval '30 minutes',
       'video'
  FROM visits_then ORDER BY n;
SELECT definition FROM indexes_then \gexec
SELECT format('ALTER TABLE appointments ADD CONSTRAINT %I %s', conname, definition)
  FROM constraints_then \gexec
SELECT setval(pg_get_serial_sequence('practitioners', 'id'), :practitioners),
       setval(pg_get_serial_sequence('people', 'id'), :users) \g /dev/null
