"""Searching free times: what one page may cost, how pages follow each other, what is fresh."""
import base64

import pytest

from harness import seed

MONDAY = "2025-06-02"
DATES = 62
LAST = seed.day(MONDAY, DATES - 1)
PAGE = 1000  # practitioners times dates

pytestmark = pytest.mark.usefixtures("clock")


def crowd(db, specialty, n):
    """Practitioners with an hour a day, ids ascending."""
    db.sql("WITH made AS (INSERT INTO practitioners (name, specialty)"
           "  SELECT 'Dr. ' || n, %s FROM generate_series(1, %s) n RETURNING id)"
           " INSERT INTO practitioner_schedules (practitioner_id, day_of_week, start_time,"
           "  end_time) SELECT id, day, '09:00', '10:00' FROM made, generate_series(0, 6) day",
           (specialty, n))
    return [row["id"] for row in db.sql("SELECT id FROM practitioners WHERE specialty = %s"
                                        " ORDER BY id", (specialty,))]


@pytest.fixture(scope="module")
def forty(db):
    return crowd(db, "Forty", 40)


def pages(api, specialty, last=LAST, **options):
    """The pages' practitioners, each page a list."""
    options = {"from": MONDAY, "to": last, "specialty": specialty, **options}
    found = []
    while True:
        answer = api.get("/availability/search", params=options).expect(200)
        found.append(answer["practitioners"])
        if answer["nextCursor"] is None:
            return found
        options["cursor"] = answer["nextCursor"]
        assert len(found) < 100, "pages without end"


def ids(page):
    return [row["practitionerId"] for row in page]


def test_pages_are_bounded_and_lead_through_all(api, forty):
    found = pages(api, "Forty")
    assert sum((ids(page) for page in found), []) == forty
    for page in found:
        assert len(page) * DATES <= PAGE, f"{len(page)} practitioners times {DATES} dates"
        assert all(len(row["days"]) == DATES for row in page)
    assert [len(page) for page in found] == [16, 16, 8]


@pytest.mark.parametrize("dates, sizes", [(1, [40]), (25, [40]), (26, [38, 2]), (40, [25, 15])])
def test_fewer_dates_make_longer_pages(api, forty, dates, sizes):
    found = pages(api, "Forty", last=seed.day(MONDAY, dates - 1))
    assert [len(page) for page in found] == sizes
    assert sum((ids(page) for page in found), []) == forty


@pytest.mark.parametrize("limit, sizes", [
    (5, [5] * 8), (15, [15, 15, 10]), (16, [16, 16, 8]), (40, [16, 16, 8]), (200, [16, 16, 8])])
def test_a_limit_makes_pages_shorter_never_longer(api, forty, limit, sizes):
    found = pages(api, "Forty", limit=limit)
    assert [len(page) for page in found] == sizes
    assert sum((ids(page) for page in found), []) == forty


def test_a_full_last_page_is_the_last(api, db):
    made = crowd(db, "Thirty-two", 32)
    assert [ids(page) for page in pages(api, "Thirty-two")] == [made[:16], made[16:]]


def test_who_has_gone_between_two_pages_is_left_out(api, db):
    made = crowd(db, "Leaving", 6)
    options = {"from": MONDAY, "to": MONDAY, "specialty": "Leaving", "limit": 3}
    first = api.get("/availability/search", params=options).expect(200)
    db.sql("UPDATE practitioners SET active = false WHERE id = ANY(%s)", ([made[2], made[4]],))
    rest = api.get("/availability/search", params={**options, "cursor": first["nextCursor"]})
    assert ids(first["practitioners"]) == made[:3]
    assert ids(rest.expect(200)["practitioners"]) == [made[3], made[5]]


# --- fresh -----------------------------------------------------------------------------------

def named(api, doctor):
    answer = api.get(f"/availability/search?from={MONDAY}&to={MONDAY}&practitionerId={doctor}")
    return [row["practitionerName"] for row in answer.expect(200)["practitioners"]]


def test_a_new_name_shows_at_once(api, db):
    doctor = seed.practitioner(db, name="Dr. Maiden Name")
    assert named(api, doctor) == ["Dr. Maiden Name"]
    api.as_admin().put(f"/practitioners/{doctor}", {"name": "Dr. Married Name"}).expect(200)
    assert named(api, doctor) == ["Dr. Married Name"]
    db.sql("UPDATE practitioners SET name = 'Dr. Third Name' WHERE id = %s", (doctor,))
    assert named(api, doctor) == ["Dr. Third Name"]


def test_a_new_name_changes_the_tag_of_a_search(api, db):
    doctor = seed.practitioner(db, name="Dr. Tag Before")
    path = f"/availability/search?from={MONDAY}&to={MONDAY}&practitionerId={doctor}"
    tag = api.get(path).expect(200).etag
    api.get(path, headers={"If-None-Match": tag}).expect(304)
    api.as_admin().put(f"/practitioners/{doctor}", {"name": "Dr. Tag After"}).expect(200)
    api.get(path, headers={"If-None-Match": tag}).expect(200)


# --- forged cursors --------------------------------------------------------------------------

def cursor(text):
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


LISTS = {
    "appointments": "/users/admin-1/appointments?",
    "practitioners": "/practitioners?",
    "search": f"/availability/search?from={MONDAY}&to={MONDAY}&"}
FORGED = ["9223372036854775807.1", "9223372036854775808.1", "1099511627776.1",
          "253402300800.1", "-9223372036854775807.1", "-9223372036854775808.1",
          "-1099511627776.1", "-62135596801.1", "--1.1", "1.-1", "1.9223372036854775808",
          "1.99999999999999999999", "1", "1.", ".1", "1.1.1", "1.1 ", "a.b", "1e3.1", ""]


@pytest.mark.parametrize("text", FORGED)
@pytest.mark.parametrize("name", LISTS)
def test_a_cursor_that_nobody_gave_out_is_refused(api, name, text):
    answer = api.as_admin().get(f"{LISTS[name]}cursor={cursor(text)}")
    answer.expect(400, "VALIDATION_FAILED")
    assert answer.fields == {"cursor"}


@pytest.mark.parametrize("text", ["253402214400.1", "-62135596800.1", "-1.1", "0.0",
                                  "1.9223372036854775807"])
@pytest.mark.parametrize("name", LISTS)
def test_a_cursor_at_the_edge_does_not_break_anything(api, name, text):
    api.as_admin().get(f"{LISTS[name]}cursor={cursor(text)}").expect((200, 400))
