"""ETags: 304 for what did not change, 412 for what did; and what caches are told."""
import pytest

from harness import seed

FRIDAY = "2025-06-20"

pytestmark = pytest.mark.usefixtures("clock")


@pytest.fixture
def doctor(db):
    return seed.practitioner(db)


@pytest.fixture
def user(api, doctor):
    return api.as_client(f"user-of-{doctor}")


@pytest.fixture
def visit(user, doctor):
    return user.book(doctor, FRIDAY, "14:00:00").expect(201)["appointmentId"]


def times(doctor, query=f"date={FRIDAY}"):
    return f"/practitioners/{doctor}/availability?{query}"


QUERIES = [f"date={FRIDAY}", f"from={FRIDAY}&to=2025-06-22"]


@pytest.mark.parametrize("query", QUERIES)
def test_unchanged_times_are_not_sent_again(api, doctor, query):
    first = api.get(times(doctor, query)).expect(200)
    assert first.etag and first.headers["Cache-Control"] == "no-cache"
    for match in (first.etag, f'"x", {first.etag}', "*"):
        again = api.get(times(doctor, query), headers={"If-None-Match": match}).expect(304)
        assert again.content == b"" and again.etag == first.etag
    api.get(times(doctor, query), headers={"If-None-Match": '"other"'}).expect(200)


@pytest.mark.parametrize("query", QUERIES)
def test_times_change_their_tag_with_every_cause(api, db, user, doctor, query, clock):
    tags = []

    def changed(cause):
        answer = api.get(times(doctor, query),
                         headers={"If-None-Match": tags[-1]} if tags else {})
        assert answer.status == 200, f"not noticed: {cause}"
        assert answer.etag not in tags, f"the same tag after: {cause}"
        tags.append(answer.etag)
    changed("the first request")
    identity = user.book(doctor, FRIDAY, "14:00:00").expect(201)["appointmentId"]
    changed("a booking")
    user.put(f"/appointments/{identity}/reschedule",
             {"newDate": FRIDAY, "newTime": "15:00"}).expect(200)
    changed("a move")
    seed.rule(db, doctor, 5, "18:00", "20:00")
    changed("a new opening hour")
    db.sql("UPDATE practitioners SET time_zone = 'Europe/London' WHERE id = %s", (doctor,))
    changed("another zone")
    clock.set("2025-06-20T09:30:00Z")
    changed("the passing of time")


def test_a_cancelled_visit_gives_the_first_tag_back_or_another(api, user, doctor):
    before = api.get(times(doctor)).expect(200)
    identity = user.book(doctor, FRIDAY, "14:00:00").expect(201)["appointmentId"]
    booked = api.get(times(doctor)).expect(200)
    user.put(f"/appointments/{identity}/cancel", {}).expect(200)
    after = api.get(times(doctor), headers={"If-None-Match": booked.etag}).expect(200)
    assert after["timeSlots"] == before["timeSlots"]


def test_head_tells_what_get_tells(api, doctor):
    full = api.get(times(doctor)).expect(200)
    head = api.request("HEAD", times(doctor))
    assert (head.status, head.content) == (200, b"")
    assert head.etag == full.etag
    assert head.headers["Content-Type"] == full.headers["Content-Type"]
    api.request("HEAD", times(doctor), headers={"If-None-Match": full.etag}).expect(304)


CHANGES = [("cancel", {"reason": "x"}), ("reschedule", {"newDate": FRIDAY, "newTime": "15:00"})]


@pytest.mark.parametrize("action, body", CHANGES)
def test_a_change_with_the_right_tag_is_made(user, visit, action, body):
    tag = user.get(f"/appointments/{visit}").expect(200).etag
    assert tag
    user.put(f"/appointments/{visit}/{action}", body, headers={"If-Match": tag}).expect(200)


@pytest.mark.parametrize("action, body", CHANGES)
@pytest.mark.parametrize("match, status", [
    ('"other"', 412), ('"a", "b"', 412), ("*", 200)])
def test_a_change_with_another_tag_is_not_made(user, visit, db, action, body, match, status):
    answer = user.put(f"/appointments/{visit}/{action}", body, headers={"If-Match": match})
    answer.expect(status, "PRECONDITION_FAILED" if status == 412 else None)
    if status == 412:
        assert db.value("SELECT revision FROM appointments WHERE id = %s", (visit,)) == 0


@pytest.mark.parametrize("action, body", CHANGES)
def test_a_tag_is_old_after_somebody_elses_change(api, user, visit, action, body):
    tag = user.get(f"/appointments/{visit}").expect(200).etag
    api.as_admin().put(f"/appointments/{visit}/reschedule",
                       {"newDate": FRIDAY, "newTime": "16:00"}).expect(200)
    user.put(f"/appointments/{visit}/{action}", body, headers={"If-Match": tag}) \
        .expect(412, "PRECONDITION_FAILED")


def test_a_visit_is_not_sent_again_unchanged(user, visit):
    first = user.get(f"/appointments/{visit}").expect(200)
    again = user.get(f"/appointments/{visit}", headers={"If-None-Match": first.etag})
    again.expect(304)
    assert again.content == b""


@pytest.mark.parametrize("path, value", [
    ("/practitioners/{doctor}/availability?date=" + FRIDAY, "no-cache"),
    ("/availability/search?from=2025-06-20&to=2025-06-20", "no-cache"),
    ("/appointments/{visit}", "private"),
    ("/users/user-of-{doctor}/appointments", "no-store")])
def test_what_caches_are_told(user, doctor, visit, path, value):
    answer = user.get(path.format(doctor=doctor, visit=visit)).expect(200)
    told = answer.headers.get("Cache-Control", "")
    if value in ("private", "no-store"):
        assert "private" in told or "no-store" in told, f"personal data, Cache-Control {told!r}"
    else:
        assert value in told, f"Cache-Control {told!r}"


def test_errors_and_bookings_are_not_cached(api, user, doctor):
    booked = user.book(doctor, FRIDAY, "14:00:00").expect(201)
    assert "no-store" in booked.headers.get("Cache-Control", "")
    missing = api.get("/nothing-here").expect(404)
    assert "no-store" in missing.headers.get("Cache-Control", "no-store")
