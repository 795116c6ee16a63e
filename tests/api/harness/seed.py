"""Practitioners, hours and visits, written past the API."""
import datetime
import itertools

_numbers = itertools.count(1)

WEEK = range(7)


def practitioner(db, zone="Europe/Berlin", hours=(("09:00", "17:00"),), days=WEEK, slot=60,
                 user_id=None, name=None, **columns):
    """A practitioner with the same hours on each of *days* (0 = Sunday); answers the id.
    *columns*: further columns of the table."""
    number = next(_numbers)
    columns = {"name": name or f"Dr. Test {number}", "time_zone": zone,
               "user_id": user_id or f"therapist-{db.name}-{number}",
               "email": f"practice-{number}@canary.example", **columns}
    names = ", ".join(columns)
    marks = ", ".join(["%s"] * len(columns))
    identity = db.value(f"INSERT INTO practitioners ({names}) VALUES ({marks}) RETURNING id",
                        list(columns.values()))
    for day in days:
        for start, end in hours:
            rule(db, identity, day, start, end, slot)
    return identity


def user_of(db, identity):
    """The subject of the practitioner's own tokens."""
    return db.value("SELECT user_id FROM practitioners WHERE id = %s", (identity,))


def rule(db, identity, day, start, end, slot=60, **columns):
    columns = {"practitioner_id": identity, "day_of_week": day, "start_time": start,
               "end_time": end, "slot_duration_minutes": slot, **columns}
    return _insert(db, "practitioner_schedules", columns)


def override(db, identity, date, start=None, end=None, slot=60, **columns):
    """Without times: the date is closed."""
    columns = {"practitioner_id": identity, "date": date, "closed": start is None,
               "start_time": start, "end_time": end, "slot_duration_minutes": slot, **columns}
    return _insert(db, "practitioner_date_overrides", columns)


def visit(db, identity, date, time, user_id=None, **columns):
    """A visit as a foreign program writes it; what it leaves out the database fills in.
    Without *user_id*: of a client of its own."""
    columns = {"practitioner_id": identity, "date": date, "time": time,
               "user_id": user_id or f"seeded-{next(_numbers)}", **columns}
    return _insert(db, "appointments", columns)


def hold(db, identity, date, time, expires, user_id=None, **columns):
    """*expires*: an instant (datetime or text)."""
    return visit(db, identity, date, time, user_id=user_id, status="held",
                 hold_expires_at=expires, **columns)


def _insert(db, table, columns):
    names = ", ".join(columns)
    marks = ", ".join(["%s"] * len(columns))
    return db.value(f"INSERT INTO {table} ({names}) VALUES ({marks}) RETURNING id",
                    list(columns.values()))


def by_api(api, zone="Europe/Berlin", hours=(("09:00", "17:00"),), days=WEEK, slot=60,
           **members):
    """As practitioner(), but through the API as an administrator; answers the id."""
    admin = api.as_admin()
    number = next(_numbers)
    body = {"name": f"Dr. Api {number}", "timeZone": zone, **members}
    identity = admin.post("/practitioners", body).expect(201)["practitioner"]["id"]
    for day in days:
        for start, end in hours:
            admin.post(f"/practitioners/{identity}/schedules",
                       {"dayOfWeek": day, "startTime": start, "endTime": end,
                        "slotDurationMinutes": slot}).expect(201)
    return identity


def day(date, plus=0):
    """A date as text, *plus* days later."""
    return (datetime.date.fromisoformat(date) + datetime.timedelta(days=plus)).isoformat()
