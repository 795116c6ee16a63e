"""Which times are listed, and that exactly these can be booked."""
import datetime
import os
import random

import psycopg2
import pytest

from harness import model, seed

SPRING = "2026-03-29"  # Europe/Berlin: 02:00 becomes 03:00
AUTUMN = "2025-10-26"  # Europe/Berlin: 03:00 becomes 02:00
FRIDAY = "2025-06-20"
SUNDAY = "2025-06-01"  # the day on which the clock stands, 10:00 in Berlin

pytestmark = pytest.mark.usefixtures("clock")


def client(api, name):
    return api.as_client(f"client-{name}")


# --- zones -----------------------------------------------------------------------------------

# zone, hours, slot minutes, date, labels
NIGHTS = {
    "an ordinary night":
        ("Europe/Berlin", ("01:00", "05:00"), 60, "2025-10-25",
         ["01:00 AM", "02:00 AM", "03:00 AM", "04:00 AM"]),
    "the night that loses an hour has three slots":
        ("Europe/Berlin", ("01:00", "05:00"), 60, SPRING, ["01:00 AM", "03:00 AM", "04:00 AM"]),
    "the night that gains an hour lists each label once":
        ("Europe/Berlin", ("01:00", "05:00"), 60, AUTUMN,
         ["01:00 AM", "02:00 AM", "03:00 AM", "04:00 AM"]),
    "hours that begin in the gap begin behind it":
        ("Europe/Berlin", ("02:30", "05:30"), 60, SPRING, ["03:30 AM", "04:30 AM"]),
    "Lord Howe loses half an hour":
        ("Australia/Lord_Howe", ("01:00", "04:00"), 60, "2025-10-05", ["01:00 AM", "02:30 AM"]),
    "Lord Howe gains half an hour":
        ("Australia/Lord_Howe", ("01:00", "04:00"), 60, "2026-04-05",
         ["01:00 AM", "01:30 AM", "02:30 AM"]),
    "Lord Howe gains half an hour, in half hours":
        ("Australia/Lord_Howe", ("01:00", "04:00"), 30, "2026-04-05",
         ["01:00 AM", "01:30 AM", "02:00 AM", "02:30 AM", "03:00 AM", "03:30 AM"]),
    "Kathmandu is 5:45 ahead":
        ("Asia/Kathmandu", ("09:00", "11:00"), 60, FRIDAY, ["09:00 AM", "10:00 AM"]),
    "New York loses an hour":
        ("America/New_York", ("00:00", "04:00"), 60, "2026-03-08",
         ["12:00 AM", "01:00 AM", "03:00 AM"]),
    "a day that ends at 24:00":
        ("Europe/Berlin", ("22:00", "24:00"), 60, FRIDAY, ["10:00 PM", "11:00 PM"]),
    "noon is 12 PM":
        ("Europe/Berlin", ("11:30", "13:30"), 60, FRIDAY, ["11:30 AM", "12:30 PM"]),
    "no slot longer than the hours":
        ("Europe/Berlin", ("09:00", "09:45"), 60, FRIDAY, []),
    "what is left over is no slot":
        ("Europe/Berlin", ("09:00", "10:50"), 50, FRIDAY, ["09:00 AM", "09:50 AM"]),
}


@pytest.mark.parametrize("name", NIGHTS)
def test_a_days_labels(api, db, name):
    zone, hours, slot, date, labels = NIGHTS[name]
    doctor = seed.practitioner(db, zone=zone, hours=[hours], slot=slot)
    assert api.labels(doctor, date) == labels


@pytest.mark.parametrize("zone, starts", [
    ("Asia/Kathmandu", "2025-06-20T09:00:00+05:45"),
    ("Australia/Lord_Howe", "2025-06-20T09:00:00+10:30"),
    ("America/St_Johns", "2025-06-20T09:00:00-02:30"),
    ("Pacific/Kiritimati", "2025-06-20T09:00:00+14:00"),
    ("Pacific/Pago_Pago", "2025-06-20T09:00:00-11:00")])
def test_a_slot_starts_in_the_practitioners_zone(api, db, zone, starts):
    doctor = seed.practitioner(db, zone=zone)
    assert api.slots(doctor, FRIDAY)[0]["startsAt"] == starts
    made = client(api, doctor).book(doctor, FRIDAY, "09:00:00").expect(201)
    assert made["startsAt"] == starts


def test_the_repeated_hour_is_booked_twice(api, db):
    doctor = seed.practitioner(db, hours=(("01:00", "05:00"),))
    first = client(api, "first").book(doctor, AUTUMN, "02:00:00").expect(201)
    assert first["startsAt"] == "2025-10-26T02:00:00+02:00"
    client(api, "again").book(doctor, AUTUMN, "02:00:00").expect(409, "SLOT_TAKEN")
    second = client(api, "second").book(doctor, startsAt="2025-10-26T02:00:00+01:00").expect(201)
    assert (second["date"], second["time"]) == (AUTUMN, "02:00:00")
    assert second["startsAt"] == "2025-10-26T02:00:00+01:00"
    client(api, "third").book(doctor, startsAt="2025-10-26T01:00:00Z").expect(409, "SLOT_TAKEN")


@pytest.mark.parametrize("time", ["02:00:00", "02:30:00"])
def test_a_time_that_the_night_skips_cannot_be_booked(api, db, time):
    doctor = seed.practitioner(db, hours=(("01:00", "05:00"),), slot=30)
    answer = client(api, doctor).book(doctor, SPRING, time)
    assert answer.status in (400, 409), answer


# --- hours -----------------------------------------------------------------------------------

def test_hours_past_midnight_belong_to_the_day_on_which_they_begin(api, db):
    doctor = seed.practitioner(db, hours=(("22:00", "02:00"),), days=[5])
    assert api.labels(doctor, FRIDAY) == ["10:00 PM", "11:00 PM"]
    assert api.labels(doctor, seed.day(FRIDAY, 1)) == ["12:00 AM", "01:00 AM"]
    assert api.labels(doctor, seed.day(FRIDAY, -1)) == []
    made = client(api, doctor).book(doctor, seed.day(FRIDAY, 1), "00:00:00").expect(201)
    assert made["startsAt"] == "2025-06-21T00:00:00+02:00"


def test_a_slot_may_cross_midnight(api, db):
    doctor = seed.practitioner(db, hours=(("22:30", "00:30"),), days=[5])
    assert api.labels(doctor, FRIDAY) == ["10:30 PM", "11:30 PM"]
    made = client(api, doctor).book(doctor, FRIDAY, "23:30:00").expect(201)
    assert made["endsAt"] == "2025-06-21T00:30:00+02:00"


def test_an_override_closes_a_date(api, db):
    doctor = seed.practitioner(db)
    seed.override(db, doctor, FRIDAY)
    assert api.labels(doctor, FRIDAY) == []
    assert api.labels(doctor, seed.day(FRIDAY, 7)) != []
    client(api, doctor).book(doctor, FRIDAY, "09:00:00").expect(409, "SLOT_UNAVAILABLE")


def test_an_override_opens_a_date_that_has_no_hours(api, db):
    doctor = seed.practitioner(db, days=[1])
    seed.override(db, doctor, FRIDAY, "10:00", "12:00", slot=30)
    assert api.labels(doctor, FRIDAY) == ["10:00 AM", "10:30 AM", "11:00 AM", "11:30 AM"]
    made = client(api, doctor).book(doctor, FRIDAY, "10:30:00").expect(201)
    assert made["durationMinutes"] == 30


def test_an_override_replaces_the_weekly_hours(api, db):
    doctor = seed.practitioner(db)
    seed.override(db, doctor, FRIDAY, "18:00", "19:00")
    seed.override(db, doctor, FRIDAY, "20:00", "21:00")
    assert api.labels(doctor, FRIDAY) == ["06:00 PM", "08:00 PM"]
    client(api, doctor).book(doctor, FRIDAY, "09:00:00").expect(409, "SLOT_UNAVAILABLE")


def test_an_override_leaves_the_night_before_alone(api, db):
    doctor = seed.practitioner(db, hours=(("22:00", "02:00"),))
    seed.override(db, doctor, FRIDAY)
    assert api.labels(doctor, FRIDAY) == ["12:00 AM", "01:00 AM"]
    assert api.labels(doctor, seed.day(FRIDAY, 1)) == ["10:00 PM", "11:00 PM"]


def test_overlapping_hours_are_one_stretch(api, db):
    doctor = seed.practitioner(db, hours=(("09:00", "11:00"), ("10:30", "12:00")))
    assert api.labels(doctor, FRIDAY) == ["09:00 AM", "10:00 AM", "11:00 AM"]


def test_hours_that_are_switched_off_do_not_count(api, db):
    doctor = seed.practitioner(db, hours=(("09:00", "10:00"),))
    seed.rule(db, doctor, 5, "14:00", "16:00", is_available=False)
    assert api.labels(doctor, FRIDAY) == ["09:00 AM"]


def test_a_change_of_hours_takes_effect_at_once(api, db):
    doctor = seed.by_api(api, hours=(("09:00", "11:00"),), days=[5])
    practice = api.as_admin()
    assert api.labels(doctor, FRIDAY) == ["09:00 AM", "10:00 AM"]
    rule = practice.get(f"/practitioners/{doctor}/schedules").expect(200)["schedules"][0]
    path = f"/practitioners/{doctor}/schedules/{rule['id']}"
    practice.put(path, {"dayOfWeek": 5, "startTime": "13:00", "endTime": "15:00"}).expect(200)
    assert api.labels(doctor, FRIDAY) == ["01:00 PM", "02:00 PM"]
    client(api, doctor).book(doctor, FRIDAY, "09:00:00").expect(409, "SLOT_UNAVAILABLE")
    client(api, doctor).book(doctor, FRIDAY, "13:00:00").expect(201)
    practice.put(f"/practitioners/{doctor}", {"timeZone": "America/New_York"}).expect(200)
    assert api.slots(doctor, FRIDAY)[0]["startsAt"] == "2025-06-20T13:00:00-04:00"
    practice.delete(path).expect(200)
    assert api.labels(doctor, FRIDAY) == []


def test_a_change_by_sql_takes_effect_at_once(api, db):
    doctor = seed.practitioner(db, hours=(("09:00", "10:00"),))
    for number in range(3):
        assert len(api.labels(doctor, FRIDAY)) == 1 + number
        seed.rule(db, doctor, 5, f"1{number}:00", f"1{number + 1}:00")


def test_a_visit_already_booked_outlives_a_change_of_hours(api, db):
    doctor = seed.practitioner(db)
    made = client(api, doctor).book(doctor, FRIDAY, "09:00:00").expect(201)
    db.sql("UPDATE practitioner_schedules SET start_time = '08:30' WHERE practitioner_id = %s",
           (doctor,))
    free = [slot["time"] for slot in api.free(doctor, FRIDAY)]
    assert free == ["10:30 AM", "11:30 AM", "12:30 PM", "01:30 PM", "02:30 PM", "03:30 PM"]
    shown = client(api, doctor).get(f"/appointments/{made['appointmentId']}").expect(200)
    assert shown["time"] == "09:00:00"


# --- buffers ---------------------------------------------------------------------------------

@pytest.fixture
def buffered(db):
    """Half-hour slots from 9 to 13, 15 minutes kept free before a visit and 30 after it."""
    return seed.practitioner(db, hours=(("09:00", "13:00"),), slot=30,
                             buffer_before_minutes=15, buffer_after_minutes=30)


def test_buffers_combine_by_the_larger_not_by_the_sum(api, db, buffered):
    client(api, buffered).book(buffered, FRIDAY, "10:30:00").expect(201)
    free = [slot["time"] for slot in api.free(buffered, FRIDAY)]
    # 30 minutes on either side: after the visit before it, and after itself. The sum would
    # have closed 09:30 and 11:30 as well.
    assert free == ["09:00 AM", "09:30 AM", "11:30 AM", "12:00 PM", "12:30 PM"]


@pytest.mark.parametrize("time, status", [
    ("10:00", 409), ("11:00", 409), ("10:30", 409), ("09:30", 201), ("11:30", 201)])
def test_buffers_are_kept_when_booking(api, buffered, time, status):
    client(api, f"there-{buffered}").book(buffered, FRIDAY, "10:30:00").expect(201)
    answer = client(api, f"{buffered}-{time}").book(buffered, FRIDAY, time).expect(status)
    if status == 409:
        assert answer.code == "SLOT_TAKEN", answer


@pytest.mark.parametrize("time, refused", [
    ("10:00", True), ("10:01", True), ("09:30", False), ("11:29", True), ("11:30", False)])
def test_buffers_are_kept_by_the_database_itself(api, db, buffered, time, refused):
    client(api, f"there-{buffered}").book(buffered, FRIDAY, "10:30:00").expect(201)
    insert = lambda: seed.visit(db, buffered, FRIDAY, time, user_id=f"sql-{buffered}")
    if refused:
        with pytest.raises(psycopg2.errors.ExclusionViolation):
            insert()
    else:
        insert()


def test_a_visit_keeps_the_buffers_it_was_booked_with(api, db, buffered):
    client(api, buffered).book(buffered, FRIDAY, "10:30:00").expect(201)
    db.sql("UPDATE practitioners SET buffer_before_minutes = 0, buffer_after_minutes = 0"
           " WHERE id = %s", (buffered,))
    free = {slot["time"] for slot in api.free(buffered, FRIDAY)}
    assert "11:00 AM" not in free, "30 minutes after the visit are still its own"
    assert "10:00 AM" not in free, "15 minutes before the visit are still its own"
    assert {"09:30 AM", "11:30 AM"} <= free


# --- notice, horizon, activity ---------------------------------------------------------------

def test_what_has_begun_is_not_available(api, db):
    doctor = seed.practitioner(db, slot=30)
    free = [slot["time"] for slot in api.free(doctor, SUNDAY)]
    assert free[0] == "10:00 AM", "the clock stands at 10:00 in Berlin"
    assert api.labels(doctor, SUNDAY)[0] == "09:00 AM", "past slots are listed as taken"
    client(api, doctor).book(doctor, SUNDAY, "09:30:00").expect(400, "PAST_TIME")
    client(api, doctor).book(doctor, SUNDAY, "10:00:00").expect(201)


def test_minimum_notice(api, db):
    doctor = seed.practitioner(db, slot=30, min_notice_minutes=120)
    assert [slot["time"] for slot in api.free(doctor, SUNDAY)][0] == "12:00 PM"
    client(api, doctor).book(doctor, SUNDAY, "11:30:00").expect(409, "SLOT_UNAVAILABLE")
    client(api, doctor).book(doctor, SUNDAY, "12:00:00").expect(201)


def test_horizon(api, db):
    doctor = seed.practitioner(db, horizon_days=10)
    assert [slot["time"] for slot in api.free(doctor, "2025-06-11")] == ["09:00 AM", "10:00 AM"]
    client(api, doctor).book(doctor, "2025-06-11", "11:00:00").expect(409, "SLOT_UNAVAILABLE")
    client(api, doctor).book(doctor, "2025-06-11", "10:00:00").expect(201)
    assert api.free(doctor, "2025-06-12") == []


def test_time_passes(api, db, clock):
    doctor = seed.practitioner(db)
    assert len(api.free(doctor, SUNDAY)) == 7
    clock.advance(hours=2, seconds=1)
    assert [slot["time"] for slot in api.free(doctor, SUNDAY)][0] == "01:00 PM"


def test_an_inactive_practitioner_is_not_there(api, db):
    doctor = seed.practitioner(db)
    db.sql("UPDATE practitioners SET active = false WHERE id = %s", (doctor,))
    api.get(f"/practitioners/{doctor}/availability?date={FRIDAY}").expect(404, "NOT_FOUND")
    answer = client(api, doctor).book(doctor, FRIDAY, "09:00:00")
    assert answer.status in (404, 409), answer


def test_a_practitioner_who_returns_is_there_at_once(api, db):
    doctor = seed.practitioner(db)
    path = f"/practitioners/{doctor}/availability?date={FRIDAY}"
    for number, active in enumerate((True, False, True, False, True)):
        db.sql("UPDATE practitioners SET active = %s WHERE id = %s", (active, doctor))
        api.get(path).expect(200 if active else 404)
        client(api, f"{doctor}-{number}").book(doctor, FRIDAY, f"{9 + number:02}:00") \
            .expect(201 if active else 404)


@pytest.mark.parametrize("date, time", [
    (FRIDAY, "09:01"), (FRIDAY, "09:30"), (FRIDAY, "08:00"), (FRIDAY, "17:00"),
    (FRIDAY, "16:30"), (FRIDAY, "09:00:01"), (FRIDAY, "23:59:59")])
def test_what_is_not_listed_is_refused(api, db, date, time):
    doctor = seed.practitioner(db)
    client(api, doctor).book(doctor, date, time).expect(409, "SLOT_UNAVAILABLE")


# --- holds -----------------------------------------------------------------------------------

def test_a_hold_blocks_until_it_expires(api, db, clock):
    doctor = seed.practitioner(db)
    seed.hold(db, doctor, FRIDAY, "09:00", "2025-06-01T08:15:00Z", user_id="holder")
    assert [slot["time"] for slot in api.free(doctor, FRIDAY)][0] == "10:00 AM"
    client(api, doctor).book(doctor, FRIDAY, "09:00:00").expect(409, "SLOT_TAKEN")
    clock.set("2025-06-01T08:15:01Z")
    assert [slot["time"] for slot in api.free(doctor, FRIDAY)][0] == "09:00 AM"
    client(api, doctor).book(doctor, FRIDAY, "09:00:00").expect(201)


def test_an_expired_hold_of_the_same_client_is_not_in_the_way(api, db, clock):
    doctor, other = seed.practitioner(db), seed.practitioner(db)
    seed.hold(db, other, FRIDAY, "09:00", "2025-06-01T08:15:00Z", user_id=f"client-{doctor}")
    client(api, doctor).book(doctor, FRIDAY, "09:00:00").expect(409, "CLIENT_BUSY")
    clock.set("2025-06-01T08:15:01Z")
    client(api, doctor).book(doctor, FRIDAY, "09:00:00").expect(201)


def test_an_expired_hold_is_not_in_the_way_of_moving(api, db, clock):
    doctor = seed.practitioner(db)
    seed.hold(db, doctor, FRIDAY, "09:00", "2025-06-01T08:15:00Z", user_id="holder")
    user = client(api, doctor)
    identity = user.book(doctor, FRIDAY, "14:00:00").expect(201)["appointmentId"]
    move = {"newDate": FRIDAY, "newTime": "09:00:00"}
    user.put(f"/appointments/{identity}/reschedule", move).expect(409, "SLOT_TAKEN")
    clock.set("2025-06-01T08:15:01Z")
    user.put(f"/appointments/{identity}/reschedule", move).expect(200)


@pytest.mark.parametrize("status, blocks", [
    ("confirmed", True), ("scheduled", True), ("cancelled", False), ("completed", False),
    ("no_show", False), ("expired", False)])
def test_which_visits_block(api, db, status, blocks):
    doctor = seed.practitioner(db)
    seed.visit(db, doctor, FRIDAY, "09:00", status=status)
    first = [slot["time"] for slot in api.free(doctor, FRIDAY)][0]
    assert first == ("10:00 AM" if blocks else "09:00 AM")
    client(api, doctor).book(doctor, FRIDAY, "09:00:00").expect(409 if blocks else 201)


# --- listed if and only if bookable ----------------------------------------------------------

ZONES = ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe",
         "America/St_Johns", "UTC", "Pacific/Auckland", "Africa/Casablanca"]
DATES = ["2025-06-20", SUNDAY, "2025-06-02", AUTUMN, SPRING, "2025-10-05", "2026-04-05",
         "2025-11-02", "2026-03-08"]


def clock_time(minutes):
    return f"{minutes // 60:02}:{minutes % 60:02}"


def random_hours(random_):
    start = random_.randrange(0, 24 * 60, random_.choice([5, 15, 30, 60]))
    end = (start + random_.randrange(20, 9 * 60, 5)) % (24 * 60)
    return clock_time(start), clock_time(end if end != start else (end + 60) % (24 * 60))


def random_practitioner(db, random_, dates):
    doctor = seed.practitioner(
        db, zone=random_.choice(ZONES), hours=(),
        buffer_before_minutes=random_.choice([0, 0, 5, 15, 40]),
        buffer_after_minutes=random_.choice([0, 0, 10, 30]),
        min_notice_minutes=random_.choice([0, 0, 90]),
        horizon_days=random_.choice([30, 365, 365]))
    for _ in range(random_.randint(3, 10)):
        seed.rule(db, doctor, random_.randrange(7), *random_hours(random_),
                  slot=random_.choice([15, 20, 30, 45, 50, 60, 90]))
    for date in dates:
        if random_.random() < 0.3:
            for _ in range(random_.randint(1, 2)):
                seed.override(db, doctor, date, *random_hours(random_),
                              slot=random_.choice([20, 30, 60]))
        for _ in range(random_.randint(0, 3)):
            try:
                seed.visit(db, doctor, date, clock_time(random_.randrange(0, 24 * 60, 5)),
                           user_id=f"seeded-{random_.random()}")
            except psycopg2.errors.ExclusionViolation:
                pass
    return doctor


def check_a_date(api, db, random_, doctor, date):
    """Every slot listed as available is booked (and freed again), other minutes are refused."""
    slots = api.slots(doctor, date)
    free = {slot["startsAt"]: slot for slot in slots if slot["available"]}
    user = client(api, f"listed-{doctor}")
    for slot in random_.sample(list(free.values()), min(8, len(free))):
        time = datetime.datetime.strptime(slot["time"], "%I:%M %p").strftime("%H:%M:%S")
        made = user.book(doctor, date, time)
        made.expect(201)
        assert made["startsAt"] == slot["startsAt"], f"listed {slot}, but {made}"
        assert made["durationMinutes"] == slot["durationMinutes"], f"listed {slot}, but {made}"
        db.sql("UPDATE appointments SET status = 'cancelled' WHERE id = %s",
               (made["appointmentId"],))
    for slot in [slot for slot in slots if not slot["available"]][:6]:
        answer = user.book(doctor, startsAt=slot["startsAt"])
        assert 400 <= answer.status < 500, f"listed as not available: {slot}, but {answer}"
    labels = {slot["time"] for slot in slots}
    for minute in random_.sample(range(24 * 60), 12):
        time = clock_time(minute)
        label = datetime.datetime.strptime(time, "%H:%M").strftime("%I:%M %p")
        if label not in labels:
            answer = user.book(doctor, date, time)
            assert 400 <= answer.status < 500, f"{date} {time} is not listed, but {answer}"
    return len(free)


@pytest.mark.parametrize("number", range(12))
def test_exactly_what_is_listed_can_be_booked(api, db, number):
    random_ = random.Random(number)
    dates = random_.sample(DATES, 4)
    doctor = random_practitioner(db, random_, dates)
    for date in dates:
        for offset in (0, 1):
            check_a_date(api, db, random_, doctor, seed.day(date, offset))


# --- against the rule written a second time --------------------------------------------------

@pytest.mark.parametrize("number", range(int(os.environ.get("BOOKING_SCHEDULES", "30"))))
def test_listings_are_what_the_rule_says(api, db, clock, number):
    random_ = random.Random(1000 + number)
    dates = random_.sample(DATES, 5)
    doctor = random_practitioner(db, random_, dates)
    expected = model.Model(db, doctor)
    for date in dates:
        first, last = seed.day(date, -2), seed.day(date, 2)
        answer = api.get(f"/practitioners/{doctor}/availability?from={first}&to={last}")
        for day in answer.expect(200)["days"]:
            wanted = expected.slots(day["date"], clock.now())
            assert day["timeSlots"] == wanted, \
                f"practitioner {number} ({expected.row['time_zone']}) on {day['date']}:\n" \
                f"listed   {day['timeSlots']}\nexpected {wanted}"
            alone = api.slots(doctor, day["date"])
            assert alone == day["timeSlots"], f"{day['date']} alone is not as in the range"
    found = api.get(f"/availability/search?from={dates[0]}&to={dates[0]}&practitionerId={doctor}")
    free = [slot for slot in expected.slots(dates[0], clock.now()) if slot["available"]]
    assert found.expect(200)["practitioners"][0]["days"] == \
        ([{"date": dates[0], "timeSlots": free}] if free else [])
