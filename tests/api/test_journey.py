"""The published booking journey (availability and appointments), and what we add to it.

The documented answers stand here as JSON; each member must be there and of the same type.
"""
import subprocess
import urllib.parse

import pytest

from harness import seed, shape

FRIDAY = "2025-06-20"
WEDNESDAY = "2025-06-25"
HOURS = (("09:00", "12:00"), ("13:00", "18:00"))

LISTED = {"practitionerId": 123, "date": FRIDAY, "timeSlots": [
    {"time": "09:00 AM", "available": True},
    {"time": "10:00 AM", "available": False},
    {"time": "11:00 AM", "available": True},
    {"time": "01:00 PM", "available": True},
    {"time": "02:00 PM", "available": True},
    {"time": "03:00 PM", "available": False},
    {"time": "04:00 PM", "available": True},
    {"time": "05:00 PM", "available": True}]}

REQUEST = {
    "userId": "user-uuid",
    "practitionerId": 123,
    "practitionerName": "Dr. Sarah Johnson",
    "date": FRIDAY,
    "time": "14:00:00",
    "sessionType": "Initial Consultation",
    "userEmail": "user@example.com",
    "userName": "John Doe",
    "videoMeetingConfig": {"platform": "zoom", "hostEmail": "practitioner@example.com"}}

CREATED = {"success": True, "appointmentId": 456, "meetingDetails": {
    "platform": "zoom", "meetingUrl": "https://", "meetingId": "1", "meetingPassword": "a"}}

# What docs/api.md promises beyond it.
CREATED_MORE = {**CREATED, "bookingId": "booking_", "status": "confirmed", "practitionerId": 123,
                "date": FRIDAY, "time": "14:00:00", "durationMinutes": 60, "startsAt": "",
                "endsAt": "", "timeZone": "", "manageToken": "", "manageUrl": "",
                "meetingDetails": {**CREATED["meetingDetails"], "status": "pending"}}

CHANGED = {"success": True, "message": "Appointment cancelled successfully"}

MINE = {"appointments": [{
    "id": 123, "practitionerId": 456, "practitionerName": "Dr. Sarah Johnson",
    "date": FRIDAY, "time": "14:00:00", "sessionType": "Initial Consultation",
    "status": "confirmed",
    "meetingDetails": {"platform": "zoom", "meetingUrl": "https://zoom.us/j/..."}}]}

APPOINTMENT = {**MINE["appointments"][0], "bookingId": "", "userId": "", "userName": "",
               "userEmail": "", "startsAt": "", "endsAt": "", "timeZone": "",
               "durationMinutes": 60, "notes": "", "revision": 0, "createdAt": "",
               "updatedAt": ""}


PUBLIC_URL = "https://www.clinic.example"


@pytest.fixture(scope="module")
def site_options():
    return {"vhost_conf": f"  BookingPublicURL {PUBLIC_URL}\n"}


@pytest.fixture
def doctor(db, clock):
    """A practitioner with the published day. Each test has its own."""
    return seed.practitioner(db, hours=HOURS, name="Dr. Sarah Johnson")


@pytest.fixture
def user(api, doctor):
    """A client that no other test uses."""
    return api.as_client(f"user-of-{doctor}")


def book(user, doctor, time="14:00:00", date=FRIDAY, **members):
    return user.book(doctor, date, time, **{"sessionType": "Initial Consultation",
                                            "userEmail": "zaphira.quillfeather@canary.example",
                                            "userName": "Zaphira Quillfeather", **members})


# --- section 3 and 4, as published -----------------------------------------------------------

def test_availability_is_answered_as_published(api, db, doctor):
    seed.visit(db, doctor, FRIDAY, "10:00", user_id="a")
    seed.visit(db, doctor, FRIDAY, "15:00", user_id="b")
    answer = api.get(f"/practitioners/{doctor}/availability?date={FRIDAY}").expect(200)
    shape.check(LISTED, answer)
    assert answer["practitionerId"] == doctor
    assert answer["date"] == FRIDAY
    listed = [{"time": slot["time"], "available": slot["available"]}
              for slot in answer["timeSlots"]]
    assert listed == LISTED["timeSlots"], answer


def test_create_is_answered_as_published(api, doctor):
    user = api.as_client("user-uuid")
    answer = user.post("/appointments", {**REQUEST, "practitionerId": doctor}).expect(201)
    shape.check(CREATED, answer)
    assert answer["success"] is True
    assert answer["meetingDetails"]["platform"] == "zoom"


def test_cancel_is_answered_as_published(user, doctor):
    identity = book(user, doctor).expect(201)["appointmentId"]
    answer = user.put(f"/appointments/{identity}/cancel", {"reason": "Schedule conflict"})
    shape.check(CHANGED, answer.expect(200))
    assert answer["success"] is True
    assert answer["message"] == "Appointment cancelled successfully"


def test_reschedule_is_answered_as_published(user, doctor):
    identity = book(user, doctor).expect(201)["appointmentId"]
    answer = user.put(f"/appointments/{identity}/reschedule",
                      {"newDate": WEDNESDAY, "newTime": "15:00:00"})
    shape.check(CHANGED, answer.expect(200))
    assert answer["success"] is True
    assert answer["message"] == "Appointment rescheduled successfully"


def test_a_users_appointments_are_answered_as_published(user, doctor):
    first = book(user, doctor, videoMeetingConfig={"platform": "zoom"}).expect(201)
    second = book(user, doctor, "10:00:00", WEDNESDAY, sessionType="Follow-up",
                  videoMeetingConfig={"platform": "google-meet"}).expect(201)
    answer = user.get(f"/users/user-of-{doctor}/appointments").expect(200)
    shape.check(MINE, answer)
    assert [row["id"] for row in answer["appointments"]] == \
        [first["appointmentId"], second["appointmentId"]]
    assert [(row["date"], row["time"], row["sessionType"], row["status"],
             row["practitionerName"], row["meetingDetails"]["platform"])
            for row in answer["appointments"]] == [
        (FRIDAY, "14:00:00", "Initial Consultation", "confirmed", "Dr. Sarah Johnson", "zoom"),
        (WEDNESDAY, "10:00:00", "Follow-up", "confirmed", "Dr. Sarah Johnson", "google-meet")]


# --- availability, our additions -------------------------------------------------------------

def test_each_slot_says_when_it_starts_and_how_long_it_is(api, doctor):
    answer = api.get(f"/practitioners/{doctor}/availability?date={FRIDAY}").expect(200)
    assert answer["timeZone"] == "Europe/Berlin"
    first = answer["timeSlots"][0]
    assert first["startsAt"] == "2025-06-20T09:00:00+02:00"
    assert first["durationMinutes"] == 60


def test_availability_of_a_range_has_one_entry_a_date(api, db, doctor):
    seed.override(db, doctor, WEDNESDAY)
    answer = api.get(f"/practitioners/{doctor}/availability?from={FRIDAY}&to={WEDNESDAY}")
    answer.expect(200)
    assert (answer["practitionerId"], answer["from"], answer["to"], answer["timeZone"]) == \
        (doctor, FRIDAY, WEDNESDAY, "Europe/Berlin")
    assert [day["date"] for day in answer["days"]] == [seed.day(FRIDAY, n) for n in range(6)]
    assert [len(day["timeSlots"]) for day in answer["days"]] == [8, 8, 8, 8, 8, 0]
    alone = api.get(f"/practitioners/{doctor}/availability?date={FRIDAY}").expect(200)
    assert answer["days"][0]["timeSlots"] == alone["timeSlots"]


def test_a_range_of_62_days_is_answered(api, doctor):
    answer = api.get(f"/practitioners/{doctor}/availability?from=2025-06-01&to=2025-08-01")
    assert len(answer.expect(200)["days"]) == 62


@pytest.mark.parametrize("form", ["{0}", "practitioner_{0}"])
def test_a_practitioner_is_found_by_each_form_of_the_id(api, doctor, form):
    path = f"/practitioners/{form.format(doctor)}/availability?date={FRIDAY}"
    assert api.get(path).expect(200)["practitionerId"] == doctor


def test_search_lists_free_slots_of_all_practitioners(api, db, clock):
    one = seed.practitioner(db, hours=(("09:00", "11:00"),), days=[5], specialty="Sleep",
                            languages=["Klingon", "English"], name="Dr. One")
    two = seed.practitioner(db, hours=(("09:00", "10:00"),), days=[5], specialty="Grief",
                            languages=["Klingon"], name="Dr. Two")
    gone = seed.practitioner(db, languages=["Klingon"], active=False)
    seed.visit(db, one, FRIDAY, "09:00")
    answer = api.get("/availability/search?from=2025-06-19&to=2025-06-22&language=Klingon")
    answer.expect(200)
    assert (answer["from"], answer["to"]) == ("2025-06-19", "2025-06-22")
    found = {row["practitionerId"]: row for row in answer["practitioners"]}
    assert set(found) == {one, two} and gone not in found
    assert found[one]["practitionerName"] == "Dr. One"
    assert found[one]["timeZone"] == "Europe/Berlin"
    assert [day["date"] for day in found[one]["days"]] == [FRIDAY], "only dates with free slots"
    assert [slot["time"] for slot in found[one]["days"][0]["timeSlots"]] == ["10:00 AM"]
    assert [slot["time"] for slot in found[two]["days"][0]["timeSlots"]] == ["09:00 AM"]


@pytest.mark.parametrize("narrowed, expected", [
    ("language=Quenya&specialty=Sleep", {"one"}),
    ("language=Quenya&specialty=Grief", {"two"}),
    ("language=Quenya", {"one", "two"}),
    ("language=Quenya&practitionerId={one}", {"one"}),
    ("language=Quenya&specialty=Grief&practitionerId={one}", set()),
])
def test_search_is_narrowed(api, db, clock, narrowed, expected):
    ids = {"one": seed.practitioner(db, specialty="Sleep", languages=["Quenya"]),
           "two": seed.practitioner(db, specialty="Grief", languages=["Quenya"])}
    try:
        query = narrowed.format(**ids)
        answer = api.get(f"/availability/search?from={FRIDAY}&to={FRIDAY}&{query}").expect(200)
        assert {row["practitionerId"] for row in answer["practitioners"]} == \
            {ids[name] for name in expected}
    finally:
        db.sql("UPDATE practitioners SET active = false WHERE id = ANY(%s)",
               (list(ids.values()),))


# --- creating, our additions -----------------------------------------------------------------

def test_the_whole_answer_to_a_booking(user, doctor):
    answer = book(user, doctor, videoMeetingConfig={"platform": "teams"}).expect(201)
    shape.check(CREATED_MORE, answer)
    body = answer.body
    assert body["bookingId"].startswith("booking_") and len(body["bookingId"]) == 8 + 32
    assert body["manageToken"].startswith("mt_")
    assert body["manageUrl"] == (f"{PUBLIC_URL}/api/appointments/{body['bookingId']}"
                                 f"?token={body['manageToken']}")
    expected = {"status": "confirmed", "practitionerId": doctor, "date": FRIDAY,
                "time": "14:00:00", "durationMinutes": 60,
                "startsAt": "2025-06-20T14:00:00+02:00", "endsAt": "2025-06-20T15:00:00+02:00",
                "timeZone": "Europe/Berlin",
                "meetingDetails": {"platform": "teams", "meetingUrl": "", "meetingId": "",
                                   "meetingPassword": "", "status": "pending"}}
    assert {name: body[name] for name in expected} == expected


def test_a_visit_without_video_has_no_meeting(user, doctor):
    answer = book(user, doctor).expect(201)
    assert answer["meetingDetails"]["platform"] == "none"
    assert answer["meetingDetails"]["status"] == "none"


@pytest.mark.parametrize("form", ["{0}", "practitioner_{0}"])
def test_ids_in_bodies_are_taken_with_and_without_prefix(user, doctor, form):
    book(user, form.format(doctor)).expect(201)


@pytest.mark.parametrize("instant", [
    "2025-06-20T14:00:00+02:00", "2025-06-20T12:00:00Z", "2025-06-20T12:00:00.000Z",
    "2025-06-20T07:00:00-05:00", "2025-06-20T17:45:00+05:45"])
def test_a_visit_is_booked_by_its_instant(user, doctor, instant):
    answer = book(user, doctor, date=None, time=None, startsAt=instant).expect(201)
    assert (answer["date"], answer["time"]) == (FRIDAY, "14:00:00")
    assert answer["startsAt"] == "2025-06-20T14:00:00+02:00"


@pytest.mark.parametrize("time", ["14:00:00", "14:00", "02:00 PM", "2:00 PM"])
def test_a_time_is_taken_with_and_without_seconds_and_as_it_is_listed(user, doctor, time):
    assert book(user, doctor, time).expect(201)["time"] == "14:00:00"


def test_the_caller_is_the_user_when_none_is_named(user, doctor):
    identity = book(user, doctor).expect(201)["appointmentId"]
    assert user.get(f"/appointments/{identity}").expect(200)["userId"] == f"user-of-{doctor}"


def test_what_was_booked_is_not_free_any_more(user, api, doctor):
    book(user, doctor).expect(201)
    assert {slot["time"]: slot["available"] for slot in api.slots(doctor, FRIDAY)}["02:00 PM"] \
        is False
    api.as_client(f"somebody-else-{doctor}").book(doctor, FRIDAY, "14:00:00") \
       .expect(409, "SLOT_TAKEN")


def test_a_client_cannot_be_in_two_places(user, db, doctor):
    elsewhere = seed.practitioner(db, hours=(("13:30", "16:30"),))
    book(user, doctor).expect(201)
    book(user, elsewhere, "13:30:00").expect(409, "CLIENT_BUSY")
    book(user, elsewhere, "14:30:00").expect(409, "CLIENT_BUSY")
    book(user, elsewhere, "15:30:00").expect(201)


def test_the_location_header_leads_to_the_visit(user, httpd, doctor):
    answer = book(user, doctor).expect(201)
    location = answer.headers.get("Location")
    assert location, "201 without Location"
    path = location.split("//", 1)[1].split("/", 1)[1] if "://" in location else location[1:]
    found = user.get("//" + path).expect(200)
    assert found["id"] == answer["appointmentId"]


# --- one visit -------------------------------------------------------------------------------

def test_a_visit_is_shown_whole(user, doctor, clock):
    created = book(user, doctor, notes="Prefers the window seat.").expect(201)
    answer = user.get(f"/appointments/{created['appointmentId']}").expect(200)
    shape.check(APPOINTMENT, answer)
    expected = {"id": created["appointmentId"], "bookingId": created["bookingId"],
                "practitionerId": doctor, "practitionerName": "Dr. Sarah Johnson",
                "userId": f"user-of-{doctor}", "userName": "Zaphira Quillfeather",
                "userEmail": "zaphira.quillfeather@canary.example", "date": FRIDAY,
                "time": "14:00:00", "sessionType": "Initial Consultation",
                "status": "confirmed", "notes": "Prefers the window seat.", "revision": 0,
                "timeZone": "Europe/Berlin", "durationMinutes": 60}
    assert {name: answer[name] for name in expected} == expected


@pytest.mark.parametrize("form", ["{appointmentId}", "meeting_{appointmentId}", "{bookingId}"])
def test_a_visit_is_found_by_each_form_of_its_id(user, doctor, form):
    created = book(user, doctor).expect(201)
    name = form.format(**created.body)
    assert user.get(f"/appointments/{name}").expect(200)["id"] == created["appointmentId"]
    user.put(f"/appointments/{name}/cancel", {"reason": "x"}).expect(200)


# --- cancelling and moving -------------------------------------------------------------------

def test_cancelling_frees_the_time_and_is_final(user, api, doctor):
    identity = book(user, doctor).expect(201)["appointmentId"]
    answer = user.put(f"/appointments/{identity}/cancel", {"reason": "Schedule conflict"})
    answer.expect(200)
    assert (answer["appointmentId"], answer["status"], answer["lateCancellation"]) == \
        (identity, "cancelled", False)
    assert "02:00 PM" in [slot["time"] for slot in api.free(doctor, FRIDAY)]
    shown = user.get(f"/appointments/{identity}").expect(200)
    assert (shown["status"], shown["revision"]) == ("cancelled", 1)
    user.put(f"/appointments/{identity}/cancel", {}).expect(409, "INVALID_STATE")
    user.put(f"/appointments/{identity}/reschedule",
             {"newDate": WEDNESDAY, "newTime": "15:00:00"}).expect(409, "INVALID_STATE")
    book(api.as_client(f"somebody-else-{doctor}"), doctor).expect(201)


def test_a_reason_is_not_required(user, doctor):
    identity = book(user, doctor).expect(201)["appointmentId"]
    user.put(f"/appointments/{identity}/cancel", {}).expect(200)


def test_a_late_cancellation_is_said_to_be_late(user, db, doctor, clock):
    db.sql("UPDATE practitioners SET cancel_notice_hours = 24 WHERE id = %s", (doctor,))
    early = book(user, doctor).expect(201)["appointmentId"]
    late = book(user, doctor, "16:00:00").expect(201)["appointmentId"]
    answer = user.put(f"/appointments/{early}/cancel", {}).expect(200)
    assert answer["lateCancellation"] is False
    clock.set("2025-06-19T14:00:01Z")
    answer = user.put(f"/appointments/{late}/cancel", {}).expect(200)
    assert answer["lateCancellation"] is True
    assert db.value("SELECT late_cancel FROM appointments WHERE id = %s", (late,)) is True


def test_moving_frees_the_old_time_and_takes_the_new_one(user, api, doctor):
    created = book(user, doctor).expect(201)
    identity = created["appointmentId"]
    answer = user.put(f"/appointments/{identity}/reschedule",
                      {"newDate": WEDNESDAY, "newTime": "15:00:00"}).expect(200)
    expected = {"appointmentId": identity, "date": WEDNESDAY, "time": "15:00:00",
                "startsAt": "2025-06-25T15:00:00+02:00", "endsAt": "2025-06-25T16:00:00+02:00",
                "timeZone": "Europe/Berlin", "status": "confirmed", "revision": 1}
    assert {name: answer[name] for name in expected} == expected
    assert answer["manageToken"].startswith("mt_")
    assert "02:00 PM" in [slot["time"] for slot in api.free(doctor, FRIDAY)]
    assert "03:00 PM" not in [slot["time"] for slot in api.free(doctor, WEDNESDAY)]


def test_moving_by_instant(user, doctor):
    identity = book(user, doctor).expect(201)["appointmentId"]
    answer = user.put(f"/appointments/{identity}/reschedule",
                      {"startsAt": "2025-06-25T13:00:00Z"}).expect(200)
    assert (answer["date"], answer["time"]) == (WEDNESDAY, "15:00:00")


def test_a_visit_can_move_to_a_time_it_overlaps_itself(user, db, clock):
    doctor = seed.practitioner(db, hours=(("09:00", "12:00"),), slot=60)
    seed.rule(db, doctor, 5, "12:30", "17:30")
    seed.override(db, doctor, FRIDAY, "09:00", "12:00", 60)
    seed.override(db, doctor, FRIDAY, "09:30", "12:30", 30)
    identity = book(user, doctor, "09:00:00").expect(201)["appointmentId"]
    answer = user.put(f"/appointments/{identity}/reschedule",
                      {"newDate": FRIDAY, "newTime": "10:00:00"}).expect(200)
    assert answer["startsAt"] == "2025-06-20T10:00:00+02:00"


def test_a_taken_time_keeps_the_visit_where_it_is(user, api, doctor):
    book(api.as_client(f"somebody-else-{doctor}"), doctor, "15:00:00").expect(201)
    identity = book(user, doctor).expect(201)["appointmentId"]
    user.put(f"/appointments/{identity}/reschedule",
             {"newDate": FRIDAY, "newTime": "15:00:00"}).expect(409, "SLOT_TAKEN")
    shown = user.get(f"/appointments/{identity}").expect(200)
    assert (shown["time"], shown["revision"], shown["status"]) == ("14:00:00", 0, "confirmed")


def test_a_visit_that_has_begun_is_the_practices_to_cancel(user, api, db, doctor, clock):
    identity = book(user, doctor).expect(201)["appointmentId"]
    clock.set("2025-06-20T12:30:00Z")
    user.put(f"/appointments/{identity}/cancel", {}).expect(409, "INVALID_STATE")
    api.as_therapist(seed.user_of(db, doctor)) \
       .put(f"/appointments/{identity}/cancel", {}).expect(200)


def test_a_completed_visit_cannot_be_cancelled(user, api, db, doctor):
    identity = book(user, doctor).expect(201)["appointmentId"]
    db.sql("UPDATE appointments SET status = 'completed' WHERE id = %s", (identity,))
    user.put(f"/appointments/{identity}/cancel", {}).expect(409, "INVALID_STATE")
    api.as_admin().put(f"/appointments/{identity}/cancel", {}).expect(409, "INVALID_STATE")


# --- a user's visits -------------------------------------------------------------------------

@pytest.fixture
def five(user, doctor):
    """Five visits of one user, one of them cancelled, made out of order."""
    made = {}
    for date, time in ((WEDNESDAY, "09:00:00"), (FRIDAY, "16:00:00"), (FRIDAY, "09:00:00"),
                       (seed.day(FRIDAY, 2), "11:00:00"), (seed.day(WEDNESDAY, 1), "13:00:00")):
        made[date, time] = book(user, doctor, time, date).expect(201)["appointmentId"]
    ordered = [made[key] for key in sorted(made)]
    user.put(f"/appointments/{ordered[2]}/cancel", {}).expect(200)
    return ordered


def mine(user, doctor, query=""):
    return user.get(f"/users/user-of-{doctor}/appointments{query}").expect(200)


def ids(answer):
    return [row["id"] for row in answer["appointments"]]


def test_visits_are_listed_by_start(user, doctor, five):
    answer = mine(user, doctor)
    assert ids(answer) == five
    assert answer["nextCursor"] is None


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 100])
def test_pages_follow_each_other(user, doctor, five, limit):
    seen, query, pages = [], f"?limit={limit}", 0
    while True:
        answer = mine(user, doctor, query)
        assert len(answer["appointments"]) <= limit
        seen += ids(answer)
        pages += 1
        if answer["nextCursor"] is None:
            break
        query = f"?limit={limit}&cursor={answer['nextCursor']}"
    assert seen == five
    assert pages == -(-len(five) // limit)


def test_visits_are_filtered_by_status(user, doctor, five):
    assert ids(mine(user, doctor, "?status=cancelled")) == [five[2]]
    assert ids(mine(user, doctor, "?status=confirmed")) == five[:2] + five[3:]


def test_visits_are_filtered_by_date(user, doctor, five):
    assert ids(mine(user, doctor, f"?from={WEDNESDAY}")) == five[3:]
    assert ids(mine(user, doctor, f"?to={FRIDAY}")) == five[:2]
    assert ids(mine(user, doctor, f"?from={WEDNESDAY}&to={WEDNESDAY}")) == [five[3]]


def test_a_user_without_visits_has_an_empty_list(api):
    answer = api.as_client("nobody-yet").get("/users/nobody-yet/appointments").expect(200)
    assert answer["appointments"] == []


# --- what is written beside the visit --------------------------------------------------------

@pytest.mark.parametrize("platform", ["zoom", "google-meet", "teams"])
def test_a_meeting_is_ordered_in_the_transaction_of_the_booking(user, db, doctor, platform):
    created = book(user, doctor, videoMeetingConfig={"platform": platform}).expect(201)
    identity = created["appointmentId"]
    meeting = db.one("SELECT platform, status, meeting_url FROM appointment_meetings"
                     " WHERE appointment_id = %s", (identity,))
    assert meeting == {"platform": platform, "status": "pending", "meeting_url": None}
    rows = db.sql("SELECT o.key, o.state, o.xmin = a.xmin AS together,"
                  " replace(a.uid::text, '-', '') AS uid"
                  " FROM outbox o JOIN appointments a ON a.id = o.appointment_id"
                  " WHERE a.id = %s", (identity,))
    assert rows, "nothing was put into the outbox"
    for row in rows:
        assert row["together"], "the outbox row belongs to another transaction"
        assert row["key"].startswith("mb-" + row["uid"]) and row["key"].endswith("-0"), row


def test_moving_and_cancelling_are_announced_with_their_revision(user, db, doctor):
    identity = book(user, doctor, videoMeetingConfig={"platform": "zoom"}) \
        .expect(201)["appointmentId"]
    user.put(f"/appointments/{identity}/reschedule",
             {"newDate": WEDNESDAY, "newTime": "15:00:00"}).expect(200)
    user.put(f"/appointments/{identity}/cancel", {}).expect(200)
    keys = [row["key"] for row in
            db.sql("SELECT key FROM outbox WHERE appointment_id = %s", (identity,))]
    assert {key.rsplit("-", 1)[1] for key in keys} >= {"0", "1", "2"}, keys


def test_pending_meetings_are_shown_as_pending(user, doctor):
    identity = book(user, doctor, videoMeetingConfig={"platform": "zoom"}) \
        .expect(201)["appointmentId"]
    details = user.get(f"/appointments/{identity}").expect(200)["meetingDetails"]
    assert (details["platform"], details["status"], details["meetingUrl"]) == \
        ("zoom", "pending", "")


def test_a_meeting_that_is_ready_is_shown_without_the_hosts_link(user, db, doctor):
    identity = book(user, doctor, videoMeetingConfig={"platform": "zoom"}) \
        .expect(201)["appointmentId"]
    db.sql("UPDATE appointment_meetings SET status = 'ready', meeting_url = %s, meeting_id = '7',"
           " password = 'pw', host_url = 'https://zoom.example/host-only'"
           " WHERE appointment_id = %s", ("https://zoom.example/j/7", identity))
    answer = user.get(f"/appointments/{identity}").expect(200)
    details = answer["meetingDetails"]
    assert (details["status"], details["meetingUrl"], details["meetingId"]) == \
        ("ready", "https://zoom.example/j/7", "7")
    assert b"host-only" not in answer.content


def test_every_change_is_audited_in_its_own_transaction(user, db, doctor):
    created = book(user, doctor).expect(201)
    identity = created["appointmentId"]
    row = db.one("SELECT l.actor, l.actor_role, l.practitioner_id, l.request_id,"
                 " l.xmin = a.xmin AS together FROM audit_log l"
                 " JOIN appointments a ON a.id = l.appointment_id WHERE a.id = %s", (identity,))
    assert row["together"], "the audit row belongs to another transaction"
    assert (row["actor"], row["actor_role"], row["practitioner_id"]) == \
        (f"user-of-{doctor}", "client", doctor)
    assert row["request_id"]
    for path, body in (("reschedule", {"newDate": WEDNESDAY, "newTime": "15:00:00"}),
                       ("cancel", {"reason": "Schedule conflict"})):
        user.put(f"/appointments/{identity}/{path}", body).expect(200)
        last = db.one("SELECT l.xmin = a.xmin AS together, l.actor FROM audit_log l"
                      " JOIN appointments a ON a.id = l.appointment_id WHERE a.id = %s"
                      " ORDER BY l.id DESC LIMIT 1", (identity,))
        assert last == {"together": True, "actor": f"user-of-{doctor}"}, path
    actions = [row["action"] for row in
               db.sql("SELECT action FROM audit_log WHERE appointment_id = %s ORDER BY id",
                      (identity,))]
    assert len(actions) == 3 and len(set(actions)) == 3, actions


def test_a_refused_booking_leaves_no_trace(user, api, db, doctor):
    book(api.as_client(f"somebody-else-{doctor}"), doctor).expect(201)

    def counted():
        return db.one("SELECT (SELECT count(*) FROM appointments) AS visits,"
                      " (SELECT count(*) FROM outbox) AS outbox,"
                      " (SELECT count(*) FROM audit_log) AS audit")
    before = counted()
    book(user, doctor, videoMeetingConfig={"platform": "zoom"}).expect(409, "SLOT_TAKEN")
    assert counted() == before


def test_names_addresses_and_notes_are_sealed_in_the_database(user, db, cluster, doctor):
    identity = book(user, doctor, userName="Ximena Sealwright",
                    userEmail="ximena.sealwright@canary.example",
                    notes="Afraid of geese since 1998.").expect(201)["appointmentId"]
    user.put(f"/appointments/{identity}/cancel", {"reason": "The geese are back."}).expect(200)
    dump = subprocess.run([str(cluster.bin / "pg_dump"), "--inserts", db.dsn()],
                          check=True, capture_output=True, text=True).stdout
    for secret in ("Ximena", "sealwright@", "geese"):
        assert secret not in dump, f"{secret} stands in the database in clear"
        assert secret.encode().hex() not in dump, f"{secret} stands in the database as hex"


# --- manage tokens ---------------------------------------------------------------------------

def test_the_manage_token_opens_its_visit_without_signing_in(user, api, doctor):
    created = book(user, doctor).expect(201)
    token, name = created["manageToken"], created["bookingId"]
    for answer in (api.get(f"/appointments/{name}?token={token}"),
                   api.get(f"/appointments/{name}", headers={"X-Manage-Token": token})):
        assert answer.expect(200)["id"] == created["appointmentId"]


def test_the_manage_token_moves_and_cancels_its_visit(user, api, db, doctor):
    created = book(user, doctor).expect(201)
    path = f"/appointments/{created['bookingId']}"
    moved = api.put(f"{path}/reschedule?token={created['manageToken']}",
                    {"newDate": WEDNESDAY, "newTime": "15:00:00"}).expect(200)
    api.put(f"{path}/cancel", {}, headers={"X-Manage-Token": moved["manageToken"]}).expect(200)
    actors = db.sql("SELECT actor FROM audit_log WHERE appointment_id = %s ORDER BY id",
                    (created["appointmentId"],))
    assert [row["actor"] for row in actors] == [f"user-of-{doctor}", None, None]


# --- guests ----------------------------------------------------------------------------------

GUEST = {"userEmail": "guest.gillyflower@canary.example", "userName": "Gilly Flowerpot"}


def test_guests_are_refused_as_long_as_nobody_allows_them(api, doctor):
    api.book(doctor, FRIDAY, "14:00:00", **GUEST).expect(401, "UNAUTHENTICATED")


@pytest.fixture(scope="module")
def guest_site(make_site):
    return make_site(vhost_conf="  BookingGuests On\n")


@pytest.fixture
def guest_doctor(guest_site):
    return seed.practitioner(guest_site.db, hours=HOURS)


def test_a_guest_books_and_manages_by_token(guest_site, guest_doctor):
    api = guest_site.api
    created = api.book(guest_doctor, FRIDAY, "14:00:00", **GUEST).expect(201)
    path = f"/appointments/{created['bookingId']}"
    api.get(path).expect((401, 404))
    shown = api.get(f"{path}?token={created['manageToken']}").expect(200)
    assert (shown["userName"], shown["userEmail"]) == (GUEST["userName"], GUEST["userEmail"])
    api.put(f"{path}/cancel?token={created['manageToken']}", {}).expect(200)


def test_a_guest_is_one_person_by_e_mail_in_any_case(guest_site, guest_doctor):
    api = guest_site.api
    other = seed.practitioner(guest_site.db, hours=HOURS)
    guest = {"userEmail": "Twice.Guest@canary.example", "userName": "Twice Guestington"}
    api.book(guest_doctor, FRIDAY, "14:00:00", **guest).expect(201)
    api.book(other, FRIDAY, "14:00:00", **{**guest, "userEmail": guest["userEmail"].lower()}) \
       .expect(409, "SLOT_TAKEN")  # whether an address has a visit is not told to a guest


@pytest.mark.parametrize("change, fields", [
    ({"userEmail": None}, {"userEmail"}), ({"userName": None}, {"userName"}),
    ({"userEmail": None, "userName": None}, {"userEmail", "userName"}),
    ({"userId": "user-1"}, {"userId"})])
def test_a_guest_must_say_who_they_are(guest_site, guest_doctor, change, fields):
    answer = guest_site.api.book(guest_doctor, FRIDAY, "14:00:00", **{**GUEST, **change})
    assert answer.expect(400, "VALIDATION_FAILED").fields == fields


# --- manage links ----------------------------------------------------------------------------

def test_a_manage_token_is_good_for_some_days_after_the_visit(user, api, doctor, clock):
    created = book(user, doctor).expect(201)
    path = f"/appointments/{created['bookingId']}?token={created['manageToken']}"
    clock.set("2025-07-19T12:00:00Z")
    api.get(path).expect(200)
    clock.set("2025-07-21T14:00:00Z")
    api.get(path).expect((401, 404))


def test_links_lead_to_where_the_request_went_unless_told_otherwise(make_site):
    site = make_site()
    created = site.api.as_client("linked").book(seed.practitioner(site.db), FRIDAY, "14:00")
    created.expect(201)
    assert created["manageUrl"] == (f"{site.httpd.url}/api/appointments/{created['bookingId']}"
                                    f"?token={created['manageToken']}")


def test_the_time_to_live_is_configured(make_site):
    site = make_site(vhost_conf="  BookingManageTTL 1\n")
    doctor = seed.practitioner(site.db)
    created = site.api.as_client("linked").book(doctor, FRIDAY, "14:00:00").expect(201)
    path = f"/appointments/{created['bookingId']}?token={created['manageToken']}"
    site.clock.set("2025-06-21T12:00:00Z")
    site.api.get(path).expect(200)
    site.clock.set("2025-06-21T14:00:00Z")
    site.api.get(path).expect((401, 404))


def test_old_keys_open_what_they_sealed(make_site, tmp_path):
    """A new first key: names stay readable and links stay good as long as the old one is there."""
    site = make_site()
    doctor = seed.practitioner(site.db)
    user = site.api.as_client("sealed")
    created = book(user, doctor).expect(201)
    new = site.httpd.root / "conf" / "new.key"
    new.write_text("7c" * 32 + "\n")
    site.httpd.reload(booking_conf=f"""
  BookingKey k2 file:{new}
  BookingKey k1 file:{{key_file}}
  BookingIssuer {{issuer}}
  BookingAudience {{audience}}
  BookingTestClock On
""")
    shown = site.api.get(f"/appointments/{created['bookingId']}?token={created['manageToken']}")
    assert shown.expect(200)["userName"] == "Zaphira Quillfeather"
    later = book(user, doctor, "16:00:00").expect(201)
    assert site.api.get(f"/appointments/{later['bookingId']}?token={later['manageToken']}") \
        .expect(200)["userName"] == "Zaphira Quillfeather"


# --- people and their names ------------------------------------------------------------------

NAMES = ["Siobh\u00e1n O'Brien-M\u00fcller", "\u674e\u5c0f\u9f99\u674e\u5c0f\u9f99",
         "\u0645\u062d\u0645\u062f \u0628\u0646 \u0633\u0644\u0645\u0627\u0646",
         "Zo\u00eb \U0001f98b\U0001f98b\U0001f98b",
         'Back\\slash "Quote"', "<script>alert(1)</script>", "Robert'); DROP TABLE people;--",
         "\U0001f469\u200d\U0001f680" * 60, "%s %d %n {0} $1", "e\u0301 combining"]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_any_name_comes_back_as_it_was(user, doctor, name):
    notes = f"{name}\n\tsecond line"
    identity = book(user, doctor, userName=name, notes=notes, sessionType=name[:100]) \
        .expect(201)["appointmentId"]
    shown = user.get(f"/appointments/{identity}").expect(200)
    assert (shown["userName"], shown["notes"], shown["sessionType"]) == (name, notes, name[:100])
    listed = user.get(f"/users/user-of-{doctor}/appointments").expect(200)["appointments"][0]
    assert listed["userName"] == name


@pytest.mark.parametrize("subject", [
    "auth0|5f7c8ec7c33c6c004bbafe82", "a b", "Zo\u00eb", "user:1;x=y", "100%", "a+b", "\u674e",
    "00000000-0000-4000-8000-000000000000", "https:idp.example:u?x=1#y", "'", '"', "\\", "x" * 255])
def test_any_subject_is_a_user(api, doctor, subject):
    subject = f"{subject[:240]}-{doctor}"
    user = api.as_client(subject)
    identity = book(user, doctor, userId=subject).expect(201)["appointmentId"]
    path = f"/users/{urllib.parse.quote(subject, safe='')}/appointments"
    assert ids(user.get(path).expect(200)) == [identity]
    assert user.get(f"/appointments/{identity}").expect(200)["userId"] == subject


def test_visits_with_the_same_start_are_paged_without_loss(user, doctor):
    made = []
    for _ in range(5):
        made.append(book(user, doctor).expect(201)["appointmentId"])
        user.put(f"/appointments/{made[-1]}/cancel", {}).expect(200)
    seen, cursor = [], ""
    while cursor is not None:
        answer = mine(user, doctor, f"?limit=2{cursor}")
        seen += ids(answer)
        cursor = answer["nextCursor"] and f"&cursor={answer['nextCursor']}"
    assert seen == made


def test_dates_of_a_list_are_those_of_the_practitioner(api, db, clock):
    """01:00 on the 20th on Kiritimati is 11:00 on the 19th in London."""
    doctor = seed.practitioner(db, zone="Pacific/Kiritimati", hours=(("01:00", "02:00"),))
    user = api.as_client(f"user-of-{doctor}")
    identity = user.book(doctor, FRIDAY, "01:00").expect(201)["appointmentId"]
    assert ids(mine(user, doctor, f"?from={FRIDAY}&to={FRIDAY}")) == [identity]
    assert ids(mine(user, doctor, "?to=2025-06-19")) == []


def test_the_answer_the_audit_and_the_header_name_one_request(user, db, doctor):
    answer = book(user, doctor).expect(201)
    assert db.value("SELECT request_id FROM audit_log WHERE appointment_id = %s",
                    (answer["appointmentId"],)) == answer.headers["X-Request-Id"]
