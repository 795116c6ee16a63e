"""Many at once. Small by default; BOOKING_RACES and BOOKING_RACE_SECONDS make it long."""
import concurrent.futures
import os
import random
import threading
import time

import pytest

from harness import seed

ROUNDS = int(os.environ.get("BOOKING_RACES", "20"))
CLIENTS = int(os.environ.get("BOOKING_RACE_CLIENTS", "64" if ROUNDS >= 200 else "32"))
SECONDS = float(os.environ.get("BOOKING_RACE_SECONDS", "8"))

FRIDAY = "2025-06-20"

pytestmark = pytest.mark.usefixtures("clock")


@pytest.fixture(scope="module", params=["event", "prefork"])
def site_options(request):
    return {"mpm": request.param, "log_level": "info"}


# Both engines, each a server of its own: the fixtures of conftest.py are parametrized along.


def at_once(number, action):
    """action(index) in *number* threads that start together."""
    gate = threading.Barrier(number)

    def run(index):
        gate.wait(30)
        return action(index)
    with concurrent.futures.ThreadPoolExecutor(number) as pool:
        return list(pool.map(run, range(number)))


def race(api, db, clients, action_of, name):
    """ROUNDS times: one winner, everybody else told that the time is taken."""
    for round_ in range(ROUNDS):
        doctor = seed.practitioner(db, days=[5], buffer_after_minutes=10)
        answers = at_once(clients, action_of(doctor, round_))
        statuses = sorted(answer.status for answer in answers)
        assert statuses == [201] + [409] * (clients - 1), f"{name}, round {round_}: {statuses}"
        assert {answer.code for answer in answers if answer.status == 409} == {"SLOT_TAKEN"}
        assert db.value("SELECT count(*) FROM appointments WHERE practitioner_id = %s",
                        (doctor,)) == 1


def test_one_slot_many_clients(api, db):
    def attempt(doctor, round_):
        users = [api.as_client(f"racer-{round_}-{number}") for number in range(CLIENTS)]
        return lambda index: users[index].book(doctor, FRIDAY, "14:00:00")
    race(api, db, CLIENTS, attempt, "one slot")


def test_overlapping_slots_many_clients(api, db):
    """Different starts that overlap one another: no two may win."""
    users = [api.as_client(f"overlapper-{number}") for number in range(16)]
    for round_ in range(max(3, ROUNDS // 4)):
        doctor = seed.practitioner(db, days=(), hours=())
        for minute in range(0, 60, 15):
            seed.rule(db, doctor, 5, f"14:{minute:02}", f"15:{minute:02}" if minute else "15:00")
        # Windows are merged, so that these are one stretch; overrides make the other starts.
        date = seed.day(FRIDAY, 7 * round_)
        starts = [slot["startsAt"] for slot in api.free(doctor, date)]
        answers = at_once(16, lambda index: users[index].book(
            doctor, startsAt=starts[index % len(starts)]))
        won = sum(answer.status == 201 for answer in answers)
        assert won == len(starts), f"{won} of {len(starts)} separate times were booked"
        assert {answer.status for answer in answers} <= {201, 409}
        assert overlaps(db) == []


def test_one_client_many_practitioners(api, db):
    """The same person everywhere at one time: one visit."""
    for round_ in range(max(3, ROUNDS // 4)):
        doctors = [seed.practitioner(db, days=[5]) for _ in range(12)]
        user = api.as_client(f"everywhere-{round_}-{doctors[0]}")
        answers = at_once(12, lambda index: user.book(doctors[index], FRIDAY, "14:00:00"))
        statuses = sorted(answer.status for answer in answers)
        assert statuses == [201] + [409] * 11, statuses
        assert {answer.code for answer in answers if answer.status == 409} == {"CLIENT_BUSY"}


def test_two_visits_change_places(api, db):
    """A moves to B's time while B moves to A's: nobody waits for ever, nobody is lost."""
    for round_ in range(max(3, ROUNDS // 4)):
        doctor = seed.practitioner(db, days=[5])
        users = [api.as_client(f"swapper-{side}-{doctor}") for side in "ab"]
        times = ["09:00:00", "10:00:00"]
        ids = [users[side].book(doctor, FRIDAY, times[side]).expect(201)["appointmentId"]
               for side in (0, 1)]
        answers = at_once(2, lambda side: users[side].put(
            f"/appointments/{ids[side]}/reschedule",
            {"newDate": FRIDAY, "newTime": times[1 - side]}))
        assert {answer.status for answer in answers} <= {200, 409}, [str(a) for a in answers]
        assert overlaps(db) == []


def overlaps(db):
    """Pairs of blocking visits that are too near to each other, or of one client at once."""
    return db.sql("""
        SELECT a.id AS one, b.id AS two FROM appointments a JOIN appointments b ON a.id < b.id
         WHERE a.status IN ('held', 'scheduled', 'confirmed')
           AND b.status IN ('held', 'scheduled', 'confirmed')
           AND ((a.practitioner_id = b.practitioner_id
                 AND (tstzrange(a.starts_at, a.blocked_until)
                          && tstzrange(b.starts_at, b.blocked_until)
                      OR tstzrange(a.blocked_from, a.ends_at)
                          && tstzrange(b.blocked_from, b.ends_at)))
                OR (a.client_id = b.client_id
                    AND tstzrange(a.starts_at, a.ends_at) && tstzrange(b.starts_at, b.ends_at)))
        """)


class Crowd:
    """Clients that book, move and cancel at random until the time is up."""

    def __init__(self, api, doctors, dates, clients):
        self.api, self.doctors, self.dates = api, doctors, dates
        self.clients = clients
        self.acknowledged = {}  # id: (practitioner, startsAt), or None when cancelled
        self.statuses = {}
        self.troubles = []
        self.lock = threading.Lock()

    def note(self, answer):
        with self.lock:
            self.statuses[answer.status] = self.statuses.get(answer.status, 0) + 1
            if answer.status >= 500 or answer.status not in (200, 201, 409):
                self.troubles.append(str(answer))
        return answer

    def run(self, number, until):
        random_ = random.Random(number)
        user = self.api.as_client(f"crowd-{number}")
        mine = []
        while time.monotonic() < until:
            action = random_.random()
            doctor, date = random_.choice(self.doctors), random_.choice(self.dates)
            time_ = f"{random_.randint(9, 16):02}:{random_.choice(['00', '30'])}:00"
            if action < 0.55 or not mine:
                answer = self.note(user.book(doctor, date, time_))
                if answer.status == 201:
                    mine.append(answer["appointmentId"])
                    with self.lock:
                        self.acknowledged[mine[-1]] = (doctor, answer["startsAt"])
            elif action < 0.8:
                identity = random_.choice(mine)
                answer = self.note(user.put(f"/appointments/{identity}/reschedule",
                                            {"newDate": date, "newTime": time_}))
                if answer.status == 200:
                    with self.lock:
                        self.acknowledged[identity] = (self.acknowledged[identity][0],
                                                       answer["startsAt"])
            else:
                identity = mine.pop(random_.randrange(len(mine)))
                answer = self.note(user.put(f"/appointments/{identity}/cancel", {}))
                if answer.status == 200:
                    with self.lock:
                        self.acknowledged[identity] = None


def test_a_crowd_books_moves_and_cancels(api, db, httpd):
    doctors = [seed.practitioner(db, slot=30, buffer_before_minutes=before,
                                 buffer_after_minutes=after)
               for before, after in ((0, 0), (0, 0), (15, 0), (0, 15), (30, 30), (10, 20),
                                     (0, 60), (60, 0))]
    dates = [seed.day(FRIDAY, number) for number in range(3)]
    crowd = Crowd(api, doctors, dates, 16)
    until = time.monotonic() + SECONDS
    with concurrent.futures.ThreadPoolExecutor(crowd.clients) as pool:
        for done in [pool.submit(crowd.run, number, until) for number in range(crowd.clients)]:
            done.result()
    assert not crowd.troubles, "\n".join(crowd.troubles[:5])
    assert crowd.statuses.get(201, 0) > 20 and crowd.statuses.get(409, 0) > 0, crowd.statuses
    assert overlaps(db) == []
    check_acknowledged(db, crowd.acknowledged)
    check_listing(api, db, doctors, dates)


def check_acknowledged(db, acknowledged):
    """Each visit stands where its last acknowledged answer said."""
    rows = {row["id"]: row for row in db.sql(
        "SELECT id, practitioner_id, status, starts_at FROM appointments WHERE id = ANY(%s)",
        (list(acknowledged),))}
    import datetime
    for identity, where in acknowledged.items():
        row = rows[identity]
        if where is None:
            assert row["status"] == "cancelled", row
        else:
            assert row["status"] == "confirmed", row
            assert row["starts_at"] == datetime.datetime.fromisoformat(where[1]), (row, where)


def check_listing(api, db, doctors, dates):
    """After all this: what is listed as available can be booked, and the rest cannot."""
    for doctor in doctors:
        slots = [(date, slot) for date in dates for slot in api.slots(doctor, date)]
        random.Random(doctor).shuffle(slots)
        for number, (date, slot) in enumerate(slots[:12]):
            user = api.as_client(f"afterwards-{doctor}-{number}")
            answer = user.book(doctor, startsAt=slot["startsAt"])
            answer.expect(201 if slot["available"] else 409)
            if answer.status == 201:
                user.put(f"/appointments/{answer['appointmentId']}/cancel", {}).expect(200)


def test_no_deadlock_reached_a_client(site, cluster):
    """Deadlocks may happen inside PostgreSQL; they are retried, not answered."""
    assert "40P01" not in site.httpd.log_text()


# --- the first time, and the last moment -----------------------------------------------------

@pytest.mark.parametrize("keyed", [False, True], ids=["plain", "with an Idempotency-Key"])
def test_first_visits_of_one_person_at_once(api, db, keyed):
    """A person whom nobody knows yet books ten times at the same moment: ten visits, one person."""
    for round_ in range(3):
        doctors = [seed.practitioner(db, days=[5]) for _ in range(10)]
        user = api.as_client(f"new-{keyed}-{doctors[0]}")

        def attempt(index):
            headers = {"Idempotency-Key": f"first-{index}"} if keyed else {}
            return user.post("/appointments", {
                "practitionerId": doctors[index], "time": "14:00",
                "date": seed.day(FRIDAY, 7 * index)}, headers=headers)
        answers = at_once(10, attempt)
        assert [answer.status for answer in answers] == [201] * 10, \
            [str(answer) for answer in answers if answer.status != 201][:2]
        assert db.value("SELECT count(*) FROM people WHERE user_id = %s",
                        (f"new-{keyed}-{doctors[0]}",)) == 1


def test_an_expired_hold_is_raced_for(api, db):
    for round_ in range(max(3, ROUNDS // 4)):
        doctor = seed.practitioner(db, days=[5])
        seed.hold(db, doctor, FRIDAY, "14:00", "2025-06-01T07:59:59Z")
        answers = at_once(16, lambda index: api.as_client(f"late-{index}-{doctor}").book(
            doctor, FRIDAY, "14:00"))
        assert sorted(answer.status for answer in answers) == [201] + [409] * 15, \
            [str(answer) for answer in answers if answer.status not in (201, 409)][:2]


def test_one_visit_is_moved_and_cancelled_at_once(api, db):
    """Whoever comes second is told; the visit ends in one of the two states, not between them."""
    for round_ in range(max(3, ROUNDS // 4)):
        doctor = seed.practitioner(db, days=[5])
        user = api.as_client(f"both-{doctor}")
        identity = user.book(doctor, FRIDAY, "09:00").expect(201)["appointmentId"]
        path = f"/appointments/{identity}"
        actions = [("cancel", {}), ("reschedule", {"newDate": FRIDAY, "newTime": "11:00"})] * 3
        answers = at_once(6, lambda index: user.put(
            f"{path}/{actions[index][0]}", actions[index][1]))
        assert {answer.status for answer in answers} <= {200, 409}, [str(a) for a in answers]
        revision = db.value("SELECT revision FROM appointments WHERE id = %s", (identity,))
        assert revision == sum(answer.status == 200 for answer in answers), \
            "each change that was acknowledged counts once"


def test_every_process_sees_a_change_of_hours_at_once(site, api, db):
    """Each child keeps hours of its own in memory; none may answer from old ones."""
    doctor = seed.practitioner(db, hours=(("09:00", "12:00"),), days=[5])

    def listed(_):
        return tuple(slot["time"] for slot in api.slots(doctor, FRIDAY))
    for start, label in (("09:00", "09:00 AM"), ("10:00", "10:00 AM"), ("11:00", "11:00 AM")):
        db.sql("UPDATE practitioner_schedules SET start_time = %s WHERE practitioner_id = %s",
               (start, doctor))
        seen = set(at_once(24, listed))
        assert {labels[0] for labels in seen} == {label}, seen
