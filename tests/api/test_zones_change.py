"""A practice moves to another time zone: its visits stay where they are in time."""
import datetime
import zoneinfo

import pytest

from harness import seed
from harness.clock import parse

FRIDAY = "2025-06-20"
AUTUMN = "2025-10-26"  # Berlin has 02:30 twice

pytestmark = pytest.mark.usefixtures("clock")

ZONES = ["America/New_York", "Asia/Kathmandu", "Pacific/Kiritimati", "UTC", "Europe/Paris"]


class Practice:
    """A practitioner, one client and one visit."""

    def __init__(self, api, db, zone="Europe/Berlin", **start):
        self.db = db
        self.doctor = seed.practitioner(db, zone=zone, hours=(("00:00", "24:00"),), slot=30)
        self.admin = api.as_admin()
        self.user = f"client-{self.doctor}"
        self.client = api.as_client(self.user)
        self.visit = self.client.book(self.doctor, **start).expect(201)["appointmentId"]
        self.instant = parse(self.shown()["startsAt"])

    def move_to(self, zone):
        self.admin.put(f"/practitioners/{self.doctor}", {"timeZone": zone}).expect(200)

    def shown(self):
        return self.client.get(f"/appointments/{self.visit}").expect(200).body

    def row(self):
        return self.db.one("SELECT date, time, starts_at, ends_at, blocked_from, blocked_until,"
                           " revision FROM appointments WHERE id = %s", (self.visit,))

    def listed(self, first, last):
        answer = self.client.get(f"/users/{self.user}/appointments?from={first}&to={last}")
        return [row["id"] for row in answer.expect(200)["appointments"]]

    def check(self, zone):
        """All that is told of the visit is the same instant, in the zone."""
        local = self.instant.astimezone(zoneinfo.ZoneInfo(zone))
        shown, row = self.shown(), self.row()
        assert shown["timeZone"] == zone
        assert parse(shown["startsAt"]) == self.instant, "the visit has moved in time"
        assert parse(shown["startsAt"]).utcoffset() == local.utcoffset()
        assert (shown["date"], shown["time"]) == (local.date().isoformat(),
                                                  local.time().isoformat())
        assert (row["date"], row["time"]) == (local.date(), local.time())
        assert row["starts_at"] == self.instant


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("time", ["14:00", "00:30", "23:30"])
def test_a_visit_keeps_its_instant_and_gets_new_labels(api, db, zone, time):
    practice = Practice(api, db, date=FRIDAY, time=time)
    before = practice.row()
    practice.move_to(zone)
    practice.check(zone)
    after = practice.row()
    for column in ("starts_at", "ends_at", "blocked_from", "blocked_until"):
        assert after[column] == before[column], column
    practice.move_to("Europe/Berlin")
    practice.check("Europe/Berlin")


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("offset", ["+02:00", "+01:00"])
def test_a_visit_in_the_repeated_hour_does_not_move(api, db, zone, offset):
    practice = Practice(api, db, startsAt=f"{AUTUMN}T02:30:00{offset}")
    practice.check("Europe/Berlin")
    practice.move_to(zone)
    practice.check(zone)
    practice.move_to("Europe/Berlin")
    practice.check("Europe/Berlin")


@pytest.mark.parametrize("time, offset", [("00:30", "+02:00"), ("01:30", "+01:00")])
def test_a_visit_may_come_to_lie_in_the_repeated_hour(api, db, time, offset):
    practice = Practice(api, db, zone="UTC", date=AUTUMN, time=time)
    practice.move_to("Europe/Berlin")
    practice.check("Europe/Berlin")
    assert practice.shown()["startsAt"] == f"{AUTUMN}T02:30:00{offset}"


def test_lists_by_date_follow(api, db):
    practice = Practice(api, db, date=FRIDAY, time="02:00")
    eve = seed.day(FRIDAY, -1)
    assert practice.listed(FRIDAY, FRIDAY) == [practice.visit]
    assert practice.listed(eve, eve) == []
    practice.move_to("America/New_York")
    assert practice.listed(FRIDAY, FRIDAY) == []
    assert practice.listed(eve, eve) == [practice.visit]
    practice.move_to("Europe/Berlin")
    assert practice.listed(FRIDAY, FRIDAY) == [practice.visit]


def test_the_time_of_the_visit_stays_taken(api, db):
    practice = Practice(api, db, date=FRIDAY, time="14:00")
    practice.move_to("America/New_York")
    taken = [slot["startsAt"] for slot in practice.client.slots(practice.doctor, FRIDAY)
             if not slot["available"]]
    assert taken == [f"{FRIDAY}T08:00:00-04:00"]


def test_a_visit_is_moved_in_the_new_zone(api, db):
    practice = Practice(api, db, date=FRIDAY, time="14:00")
    practice.move_to("America/New_York")
    moved = practice.client.put(f"/appointments/{practice.visit}/reschedule",
                                {"newDate": FRIDAY, "newTime": "14:00"}).expect(200)
    assert moved["startsAt"] == f"{FRIDAY}T14:00:00-04:00"
    practice.instant = parse(moved["startsAt"])
    practice.check("America/New_York")


def test_every_visit_follows_whatever_became_of_it(api, db):
    doctor = seed.practitioner(db, zone="UTC")
    for hour, status in enumerate(("confirmed", "scheduled", "completed", "cancelled", "no_show")):
        seed.visit(db, doctor, FRIDAY, f"0{hour}:00", status=status)
    api.as_admin().put(f"/practitioners/{doctor}", {"timeZone": "America/New_York"}).expect(200)
    wrong = db.sql("SELECT status, date, time, starts_at FROM appointments"
                   " WHERE practitioner_id = %s AND date + time"
                   " <> starts_at AT TIME ZONE 'America/New_York'", (doctor,))
    assert wrong == []


def test_visits_of_other_practices_are_left_alone(api, db):
    mine = Practice(api, db, date=FRIDAY, time="14:00")
    other = Practice(api, db, date=FRIDAY, time="14:00")
    mine.move_to("America/New_York")
    other.check("Europe/Berlin")


def test_a_zone_changed_by_sql_is_followed_too(api, db):
    practice = Practice(api, db, startsAt=f"{AUTUMN}T02:30:00+01:00")
    db.sql("UPDATE practitioners SET time_zone = 'Asia/Tokyo' WHERE id = %s", (practice.doctor,))
    practice.check("Asia/Tokyo")


def test_a_program_that_writes_only_date_and_time_moves_the_visit(api, db):
    """What keeps visits in place must not keep them from being moved."""
    practice = Practice(api, db, date=FRIDAY, time="14:00")
    db.sql("UPDATE appointments SET time = '16:00' WHERE id = %s", (practice.visit,))
    practice.instant += datetime.timedelta(hours=2)
    practice.check("Europe/Berlin")
