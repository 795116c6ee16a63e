"""The databases: one for each size, with the schema of the module and the same kind of visits."""
import datetime
import hashlib
import json
import subprocess
import time

from . import servers

PRACTITIONERS = 200
BUSY_A_DAY = 8  # of 16 slots
GUESTS = 5000
HORIZON = 3600  # days ahead that bookings may be made; the practitioners' own is 3660


def name_of(size):
    return f"visits_{size}"


def users_of(size):
    return max(500, size // 20)


class Calendar:
    """Which dates have visits, and which are free for bookings."""

    def __init__(self, size, today):
        first = today + datetime.timedelta(days=7 - today.weekday())
        whole_days = size // (PRACTITIONERS * BUSY_A_DAY)
        self.first = first
        self.filled = [self._weekday(i) for i in range(whole_days)]
        self.last = self._weekday(whole_days + 1)
        self.free = []
        date = self.last + datetime.timedelta(days=7)
        while (date - today).days < HORIZON:
            if date.weekday() < 5:
                self.free.append(date)
            date += datetime.timedelta(days=1)

    def _weekday(self, i):
        return self.first + datetime.timedelta(days=i // 5 * 7 + i % 5)


def prepare(postgres, build, sizes, say):
    """Makes what is not there yet. The cluster stays between runs; a stamp tells what it holds."""
    calendars = {}
    for size in sizes:
        wanted = {
            "schema": hashlib.sha256(b"".join(path.read_bytes() for path in
                                              sorted((servers.TOP / "sql").glob("*.sql")))).hexdigest(),
            "fill": hashlib.sha256((servers.BENCH / "sql" / "fill.sql").read_bytes()).hexdigest(),
        }
        database = name_of(size)
        stamp = postgres.work / f"{database}.json"
        there = json.loads(stamp.read_text()) if stamp.exists() else {}
        today = datetime.date.today()
        made = datetime.date.fromisoformat(there.get("day", "2000-01-01"))
        if {k: there.get(k) for k in wanted} == wanted and (today - made).days < 5 \
                and made + datetime.timedelta(days=7 - made.weekday()) > today:
            calendars[size] = Calendar(size, made)
            continue
        say(f"making {size:,} appointments ...")
        stamp.unlink(missing_ok=True)
        calendars[size] = Calendar(size, today)
        _make(postgres, build, database, size, calendars[size])
        stamp.write_text(json.dumps(dict(wanted, day=str(today))))
    return calendars


def _make(postgres, build, database, size, calendar):
    if not postgres.rows("postgres", f"SELECT 1 FROM pg_roles WHERE rolname = '{servers.OWNER}'"):
        postgres.rows("postgres", f"CREATE ROLE {servers.OWNER} LOGIN")
    postgres.rows("postgres", f"DROP DATABASE IF EXISTS {database}")
    postgres.rows("postgres", f"CREATE DATABASE {database} OWNER {servers.OWNER}")
    postgres.rows(database, "CREATE EXTENSION pg_stat_statements SCHEMA public")
    subprocess.run([build / "bookingctl", "migrate", "--dsn", postgres.dsn(database),
                    "--schema", "booking", "--sql", servers.TOP / "sql"], check=True,
                   capture_output=True)
    settings = {"practitioners": PRACTITIONERS, "users": users_of(size), "visits": size,
                "first_day": calendar.first, "last_day": calendar.last}
    subprocess.run([postgres.bin / "psql", "-q", "-X", "-d", postgres.dsn(database),
                    *[f"-v{name}={value}" for name, value in settings.items()],
                    "-f", servers.BENCH / "sql" / "fill.sql"], check=True,
                   stdout=subprocess.DEVNULL)
    # Where the filling ended, for reset().
    postgres.rows(database, "VACUUM ANALYZE", "CREATE TABLE bench_base AS SELECT max(id) AS id FROM appointments")


def bookings(postgres, size):
    return postgres.value(name_of(size), "SELECT count(*) FROM appointments"
                                         " WHERE id > (SELECT id FROM bench_base)")


def bookings_at_last(postgres, size):
    """Their number when the requests that were under way as the client left have come to an end."""
    seen, since = -1, 0
    while since < 4:
        time.sleep(0.05)
        now = bookings(postgres, size)
        since = since + 1 if now == seen else 0
        seen = now
    return seen


def reset(postgres, size):
    """Takes back what was booked; the people stay, as known guests do."""
    postgres.rows(
        name_of(size), "SET session_replication_role = replica",
        "TRUNCATE outbox, audit_log, appointment_meetings",
        "DELETE FROM appointments WHERE id > (SELECT id FROM bench_base)",
        "VACUUM (ANALYZE) appointments", "VACUUM (ANALYZE) people")


def settle(postgres):
    """No dirty pages, and full-page images of the next changes written before anybody counts."""
    postgres.rows("postgres", "CHECKPOINT")
