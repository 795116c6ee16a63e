"""Practitioners, their hours and their exceptions: making, showing, changing, ending."""
import pytest

from harness import seed, shape

pytestmark = pytest.mark.usefixtures("clock")

WHOLE = {
    "name": "Dr. Ada Stone", "specialty": "Sleep", "price": 120, "imageUrl": "https://x.example/a",
    "badge": "Top", "education": "Vienna", "degree": "MD", "locationType": "online",
    "conditions": ["Insomnia", "Grief"], "bio": "Writes.", "yearsExperience": 12,
    "approach": "Calm", "languages": ["German", "English"], "certifications": ["A"],
    "availability": "Weekdays", "insuranceAccepted": ["All"], "sessionFormat": ["video"],
    "preferredVideoPlatform": "teams", "timeZone": "Asia/Kathmandu", "bufferBeforeMinutes": 5,
    "bufferAfterMinutes": 10, "minNoticeMinutes": 60, "horizonDays": 90, "cancelNoticeHours": 24,
    "active": True}
PUBLIC = {**WHOLE, "id": 1, "reviews": 0, "rating": 5.0}


@pytest.fixture
def admin(api):
    return api.as_admin()


@pytest.fixture
def doctor(db):
    return seed.practitioner(db)


@pytest.fixture
def practice(api, db, doctor):
    return api.as_therapist(seed.user_of(db, doctor))


def test_what_is_sent_is_what_is_shown(admin):
    made = admin.post("/practitioners", {**WHOLE, "email": "ada.stone@canary.example",
                                         "userId": "ada's subject"}).expect(201)
    shown = made["practitioner"]
    assert made["success"] is True
    assert {name: shown[name] for name in WHOLE} == WHOLE
    assert (shown["email"], shown["userId"]) == ("ada.stone@canary.example", "ada's subject")
    path = f"/practitioners/{shown['id']}"
    assert made.headers["Location"].endswith("/api" + path)
    got = admin.get(path).expect(200)
    shape.check(PUBLIC, got)
    assert got.body == shown


def test_a_name_is_enough(admin):
    shown = admin.post("/practitioners", {"name": "Dr. Plain"}).expect(201)["practitioner"]
    missing = set(PUBLIC) - set(shown)
    assert not missing, f"documented members are missing: {missing}"
    assert (shown["timeZone"], shown["active"], shown["languages"]) == ("UTC", True, ["English"])


def test_what_is_absent_stays(admin, practice, doctor):
    path = f"/practitioners/{doctor}"
    before = admin.get(path).expect(200).body
    changed = practice.put(path, {"bio": "New.", "languages": []}).expect(200)
    assert changed["success"] is True
    after = admin.get(path).expect(200).body
    assert after == changed["practitioner"]
    assert after == {**before, "bio": "New.", "languages": []}


def test_null_says_nothing_and_an_empty_text_takes_away(admin, doctor):
    path = f"/practitioners/{doctor}"
    admin.put(path, {"bio": "Something."}).expect(200)
    admin.put(path, {"bio": None}).expect(200)
    assert admin.get(path)["bio"] == "Something."
    admin.put(path, {"bio": ""}).expect(200)
    assert not admin.get(path)["bio"]


def test_two_practitioners_are_not_one_user(admin):
    admin.post("/practitioners", {"name": "Dr. One", "userId": "the-same"}).expect(201)
    admin.post("/practitioners", {"name": "Dr. Two", "userId": "the-same"}) \
         .expect(409, "CONFLICT")


def test_deleting_makes_inactive_and_keeps_the_visits(api, db, admin, doctor):
    user = api.as_client(f"of-{doctor}")
    visit = user.book(doctor, "2025-06-20", "09:00").expect(201)["appointmentId"]
    gone = admin.delete(f"/practitioners/{doctor}").expect(200)
    assert gone["success"] is True and isinstance(gone["message"], str)
    assert db.value("SELECT active FROM practitioners WHERE id = %s", (doctor,)) is False
    assert user.get(f"/appointments/{visit}").expect(200)["status"] == "confirmed"
    assert doctor not in listed(api)
    admin.put(f"/practitioners/{doctor}", {"active": True}).expect(200)
    assert doctor in listed(api)


def listed(api, query=""):
    """The ids of all pages."""
    found, cursor = [], ""
    while True:
        answer = api.get(f"/practitioners?limit=7{query}{cursor}").expect(200)
        found += [row["id"] for row in answer["practitioners"]]
        if answer["nextCursor"] is None:
            return found
        cursor = f"&cursor={answer['nextCursor']}"


def test_the_list_is_by_id_page_by_page(api, db):
    made = [seed.practitioner(db, specialty="Paging", languages=["Dothraki"]) for _ in range(16)]
    assert listed(api, "&specialty=Paging") == made
    assert listed(api, "&language=Dothraki") == made
    assert listed(api, "&language=Dothraki&specialty=Other") == []


# --- hours -----------------------------------------------------------------------------------

RULE = {"dayOfWeek": 1, "startTime": "09:00", "endTime": "17:00", "slotDurationMinutes": 45,
        "isAvailable": True, "notes": "By phone"}
OVERRIDE = {"date": "2025-07-01", "closed": False, "startTime": "10:00", "endTime": "12:00",
            "slotDurationMinutes": 30, "note": "Only in the morning"}
CLOSED = {"date": "2025-07-01", "closed": True, "note": "Holiday"}


@pytest.mark.parametrize("kind, member, sent", [
    ("schedules", "schedule", RULE),
    ("schedules", "schedule", {**RULE, "startTime": "22:00", "endTime": "02:00"}),
    ("schedules", "schedule", {**RULE, "startTime": "00:00", "endTime": "24:00"}),
    ("schedules", "schedule", {**RULE, "isAvailable": False}),
    ("overrides", "override", OVERRIDE), ("overrides", "override", CLOSED)])
def test_hours_are_made_listed_replaced_and_deleted(api, db, practice, kind, member, sent):
    doctor = seed.practitioner(db, hours=())
    practice = api.as_therapist(seed.user_of(db, doctor))
    path = f"/practitioners/{doctor}/{kind}"
    made = practice.post(path, sent).expect(201)
    row = made[member]
    assert made["success"] is True
    assert {name: row[name] for name in sent} == sent
    assert row["practitionerId"] == doctor
    assert made.headers["Location"].endswith(f"/api{path}/{row['id']}")
    assert practice.get(path).expect(200)[kind] == [row]
    replaced = {**RULE, "dayOfWeek": 3, "notes": None} if member == "schedule" else \
        {**OVERRIDE, "date": "2025-07-05"}
    replaced = {name: value for name, value in replaced.items() if value is not None}
    after = practice.put(f"{path}/{row['id']}", replaced).expect(200)[member]
    assert {name: after[name] for name in replaced} == replaced
    assert after["id"] == row["id"]
    assert practice.get(path).expect(200)[kind] == [after]
    assert practice.delete(f"{path}/{row['id']}").expect(200)["success"] is True
    assert practice.get(path).expect(200)[kind] == []
    practice.delete(f"{path}/{row['id']}").expect(404)


def test_a_slot_is_an_hour_unless_told_otherwise(practice, doctor):
    made = practice.post(f"/practitioners/{doctor}/schedules",
                         {"dayOfWeek": 0, "startTime": "18:00", "endTime": "20:00"}).expect(201)
    assert (made["schedule"]["slotDurationMinutes"], made["schedule"]["isAvailable"]) == (60, True)


def test_a_closed_date_has_no_times(practice, doctor):
    made = practice.post(f"/practitioners/{doctor}/overrides", CLOSED).expect(201)["override"]
    assert made.get("startTime") is None and made.get("endTime") is None


@pytest.mark.parametrize("first, second, status", [
    (OVERRIDE, CLOSED, 409), (CLOSED, OVERRIDE, 409), (CLOSED, CLOSED, 409),
    (OVERRIDE, {**OVERRIDE, "startTime": "14:00", "endTime": "15:00"}, 201)])
def test_a_date_is_closed_or_has_hours(practice, doctor, first, second, status):
    path = f"/practitioners/{doctor}/overrides"
    practice.post(path, first).expect(201)
    practice.post(path, second).expect(status, "CONFLICT" if status == 409 else None)


def test_overrides_are_listed_by_date(practice, doctor):
    path = f"/practitioners/{doctor}/overrides"
    for date in ("2025-08-03", "2025-07-01", "2025-09-09"):
        practice.post(path, {"date": date, "closed": True}).expect(201)

    def dates(query):
        return [row["date"] for row in practice.get(path + query).expect(200)["overrides"]]
    assert dates("") == ["2025-07-01", "2025-08-03", "2025-09-09"]
    assert dates("?from=2025-07-02") == ["2025-08-03", "2025-09-09"]
    assert dates("?from=2025-07-02&to=2025-08-03") == ["2025-08-03"]
