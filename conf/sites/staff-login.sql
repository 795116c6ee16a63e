-- Tables of staff-login.conf. Safe to run again.
--
--   psql "dbname=booking user=booking options='-c search_path=booking,public'" -f staff-login.sql
--
-- A member of the staff (`htpasswd -nBC 10 anna` prints name and hash; cost 10 is checked at every
-- request, higher costs are felt):
--
--   INSERT INTO staff (username, password, role) VALUES ('anna', '$2y$10$...', 'therapist')
--   ON CONFLICT (username) DO UPDATE SET password = excluded.password, role = excluded.role;
--   UPDATE practitioners SET user_id = 'anna' WHERE id = 1;   -- whose calendar is hers
--
-- All open sessions of everybody: DELETE FROM staff_sessions;

CREATE TABLE IF NOT EXISTS staff (
    username   TEXT PRIMARY KEY, -- the same as practitioners.user_id
    password   TEXT NOT NULL CHECK (password ~ '^\$(2[aby]|5|6|y)\$'), -- bcrypt or a crypt(3) hash
    role       TEXT NOT NULL CHECK (role IN ('therapist', 'admin')),
    active     BOOLEAN NOT NULL DEFAULT true,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- Names of the columns are mod_session_dbd's. `value` is encrypted by mod_session_crypto.
CREATE TABLE IF NOT EXISTS staff_sessions (
    key    TEXT PRIMARY KEY,
    value  TEXT NOT NULL,
    expiry BIGINT NOT NULL -- microseconds since 1970; 0: never
);
CREATE INDEX IF NOT EXISTS staff_sessions_expiry ON staff_sessions (expiry);
