"""Idempotency-Key: sending a request again does not do it again."""
import concurrent.futures
import uuid

import pytest

from harness import seed

FRIDAY = "2025-06-20"
SATURDAY = "2025-06-21"

pytestmark = pytest.mark.usefixtures("clock")


@pytest.fixture
def doctor(db):
    return seed.practitioner(db)


@pytest.fixture
def user(api, doctor):
    return api.as_client(f"user-of-{doctor}")


@pytest.fixture
def key():
    return {"Idempotency-Key": str(uuid.uuid4())}


def body(doctor, time="14:00:00", **members):
    return {"practitionerId": doctor, "date": FRIDAY, "time": time,
            "userName": "Idella Keyworth", "userEmail": "idella.keyworth@canary.example",
            **members}


def visits(db, doctor):
    return db.value("SELECT count(*) FROM appointments WHERE practitioner_id = %s", (doctor,))


def replayed(answer):
    return answer.headers.get("Idempotency-Replayed") == "true"


def test_the_first_answer_is_given_again(user, db, doctor, key):
    first = user.post("/appointments", body(doctor), headers=key).expect(201)
    again = user.post("/appointments", body(doctor), headers=key).expect(201)
    assert again.content == first.content, "the replay is not the same, byte for byte"
    assert again.headers.get("Location") == first.headers.get("Location")
    assert (replayed(first), replayed(again)) == (False, True)
    assert visits(db, doctor) == 1


def test_without_a_key_nothing_is_replayed(user, doctor):
    user.post("/appointments", body(doctor)).expect(201)
    user.post("/appointments", body(doctor)).expect(409)


@pytest.mark.parametrize("change", [{"time": "15:00:00"}, {"notes": "Something new to say."},
                                    {"sessionType": "Other"}])
def test_another_request_under_the_key_is_refused(user, db, doctor, key, change):
    user.post("/appointments", body(doctor), headers=key).expect(201)
    user.post("/appointments", body(doctor, **change), headers=key) \
        .expect(409, "IDEMPOTENCY_MISMATCH")
    assert visits(db, doctor) == 1


def test_another_path_under_the_key_is_refused(user, doctor, key):
    one = user.post("/appointments", body(doctor)).expect(201)["appointmentId"]
    two = user.post("/appointments", body(doctor, "15:00:00")).expect(201)["appointmentId"]
    user.put(f"/appointments/{one}/cancel", {}, headers=key).expect(200)
    user.put(f"/appointments/{two}/cancel", {}, headers=key).expect(409, "IDEMPOTENCY_MISMATCH")


def test_keys_belong_to_the_caller(api, db, doctor, key):
    for name, time in (("a", "10:00:00"), ("b", "11:00:00")):
        answer = api.as_client(f"{name}-{doctor}") \
                    .post("/appointments", body(doctor, time), headers=key)
        assert not replayed(answer.expect(201))
    assert visits(db, doctor) == 2


def test_a_key_is_forgotten_after_a_day(user, db, doctor, key, clock):
    first = user.post("/appointments", body(doctor), headers=key).expect(201)
    clock.advance(hours=23, minutes=59)
    again = user.post("/appointments", body(doctor), headers=key).expect(201)
    assert replayed(again) and again["appointmentId"] == first["appointmentId"]
    clock.advance(minutes=2)
    later = user.post("/appointments", {**body(doctor), "date": SATURDAY}, headers=key)
    assert not replayed(later.expect(201))
    assert visits(db, doctor) == 2


def test_cancelling_and_moving_are_replayed(user, db, doctor):
    identity = user.post("/appointments", body(doctor)).expect(201)["appointmentId"]
    for action, sent in (("reschedule", {"newDate": SATURDAY, "newTime": "10:00"}),
                         ("cancel", {"reason": "No time left for it."})):
        key = {"Idempotency-Key": f"{action}-{identity}"}
        path = f"/appointments/{identity}/{action}"
        first = user.put(path, sent, headers=key).expect(200)
        again = user.put(path, sent, headers=key).expect(200)
        assert again.content == first.content and replayed(again)
    assert db.value("SELECT revision FROM appointments WHERE id = %s", (identity,)) == 2


def test_a_delete_is_replayed(api, doctor, key):
    admin = api.as_admin()
    rule = admin.get(f"/practitioners/{doctor}/schedules").expect(200)["schedules"][0]["id"]
    path = f"/practitioners/{doctor}/schedules/{rule}"
    admin.delete(path, headers=key).expect(200)
    assert replayed(admin.delete(path, headers=key).expect(200))
    admin.delete(path).expect(404)


def test_creating_a_practitioner_is_replayed(api, key):
    admin = api.as_admin()
    first = admin.post("/practitioners", {"name": "Dr. Once"}, headers=key).expect(201)
    again = admin.post("/practitioners", {"name": "Dr. Once"}, headers=key).expect(201)
    assert again["practitioner"] == first["practitioner"]


@pytest.mark.parametrize("flaw, status", [
    ({"date": "2025-02-30"}, 400), ({"time": "14:30:00"}, 409), ({"practitionerId": 999999}, 404)])
def test_a_failed_request_leaves_no_trace(user, db, doctor, key, flaw, status):
    user.post("/appointments", {**body(doctor), **flaw}, headers=key).expect(status)
    corrected = user.post("/appointments", body(doctor), headers=key).expect(201)
    assert not replayed(corrected)


def test_a_taken_time_may_be_tried_again_under_the_key(api, user, doctor, key):
    other = api.as_client(f"other-{doctor}")
    taken = other.post("/appointments", body(doctor)).expect(201)["appointmentId"]
    user.post("/appointments", body(doctor), headers=key).expect(409, "SLOT_TAKEN")
    other.put(f"/appointments/{taken}/cancel", {}).expect(200)
    user.post("/appointments", body(doctor), headers=key).expect(201)


def test_twenty_at_once_make_one_visit(user, db, doctor, key):
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(
            lambda _: user.post("/appointments", body(doctor), headers=key), range(20)))
    assert {answer.status for answer in answers} == {201}, [str(a) for a in answers][:3]
    assert len({answer.content for answer in answers}) == 1, "answers differ"
    assert sum(not replayed(answer) for answer in answers) == 1
    assert visits(db, doctor) == 1


def test_twenty_keys_for_one_time_make_one_visit(api, db, doctor):
    def attempt(number):
        return api.as_client(f"racer-{number}-{doctor}").post(
            "/appointments", body(doctor), headers={"Idempotency-Key": f"racer-{number}"})
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(attempt, range(20)))
    assert sorted(answer.status for answer in answers) == [201] + [409] * 19
    assert visits(db, doctor) == 1


@pytest.mark.parametrize("bad", ["", "x" * 256, "a b", "tab\there", "caf\u00e9".encode("utf-8")])
def test_a_key_that_is_none_is_refused(user, doctor, bad):
    answer = user.post("/appointments", body(doctor), headers={"Idempotency-Key": bad})
    answer.expect(400, "VALIDATION_FAILED")
    assert answer.fields == {"Idempotency-Key"}, answer


@pytest.mark.parametrize("good", ["x", "x" * 255, "~!@#$%^&*()_+|", '"quoted"'])
def test_any_visible_ascii_is_a_key(user, doctor, good):
    user.post("/appointments", body(doctor), headers={"Idempotency-Key": good + ""}) \
        .expect(201)
    answer = user.post("/appointments", body(doctor), headers={"Idempotency-Key": good})
    assert replayed(answer.expect(201))


def test_a_replay_holds_no_personal_data_in_clear_in_the_database(user, db, doctor, key):
    user.post("/appointments", body(doctor), headers=key).expect(201)
    for row in db.sql("SELECT * FROM idempotency_keys WHERE key = %s",
                      (key["Idempotency-Key"],)):
        for value in row.values():
            text = bytes(value) if isinstance(value, memoryview) else str(value).encode()
            assert b"Idella" not in text and b"manageToken" not in text


def test_a_get_ignores_the_key(user, doctor, key):
    path = f"/practitioners/{doctor}/availability?date={FRIDAY}"
    first = user.get(path, headers=key).expect(200)
    user.post("/appointments", body(doctor)).expect(201)
    assert user.get(path, headers=key).expect(200).content != first.content


def test_a_replay_is_for_who_may_see_it(api, user, doctor, key):
    """An anonymous caller shows a manage token; knowing the key alone is not enough."""
    made = user.post("/appointments", body(doctor)).expect(201)
    path, sent = f"/appointments/{made['bookingId']}/reschedule", \
        {"newDate": SATURDAY, "newTime": "10:00"}
    token = {"X-Manage-Token": made["manageToken"]}
    api.put(path, sent, headers={**key, **token}).expect(200)
    assert replayed(api.put(path, sent, headers={**key, **token}).expect(200))
    stranger = api.put(path, sent, headers=key)
    assert stranger.status in (401, 404, 409), f"replayed to somebody without a token: {stranger}"
