"""What the database itself keeps, and who is who after a change: versions, effects, ratings."""
import psycopg2
import pytest

from harness import build, seed

FRIDAY = "2025-06-20"

pytestmark = pytest.mark.usefixtures("clock")


@pytest.fixture
def doctor(db):
    return seed.practitioner(db)


@pytest.fixture
def user(api, doctor):
    return api.as_client(f"user-of-{doctor}")


# --- two clinics in one database -------------------------------------------------------------

class Clinics:
    """Two schemas with the same practitioner: in Berlin in one, in New York in the other."""

    ZONES = {"clinic_a": "Europe/Berlin", "clinic_b": "America/New_York"}

    def __init__(self, db):
        self.db = db
        for schema, zone in self.ZONES.items():
            build.ctl("migrate", "--dsn", db.dsn(), "--schema", schema, "--sql", build.SQL)
            db.sql(f"INSERT INTO {schema}.practitioners (id, name, time_zone)"
                   f" VALUES (1, 'Dr. Both', '{zone}')")

    def versions(self):
        return {schema: self.db.value(f"SELECT schedule_version FROM {schema}.practitioners"
                                      " WHERE id = 1") for schema in self.ZONES}

    def write(self, statement, search_path):
        """By a program whose search_path is not the clinic's."""
        connection = self.db.connect(autocommit=True)
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"SET search_path = {search_path}")
                cursor.execute(statement)
        finally:
            connection.close()


@pytest.fixture(scope="module")
def clinics(cluster):
    return Clinics(cluster.create_empty())


HOURS = [
    "INSERT INTO {}.practitioner_schedules (practitioner_id, day_of_week, start_time, end_time)"
    " VALUES (1, 5, '09:00', '17:00')",
    "UPDATE {}.practitioner_schedules SET end_time = '18:00' WHERE practitioner_id = 1",
    "DELETE FROM {}.practitioner_schedules WHERE practitioner_id = 1",
    "INSERT INTO {}.practitioner_date_overrides (practitioner_id, date, closed)"
    " VALUES (1, '2025-07-01', true)",
    "DELETE FROM {}.practitioner_date_overrides WHERE practitioner_id = 1",
]


@pytest.mark.parametrize("search_path", ["clinic_b, public", "clinic_a, public", "public"])
def test_hours_count_up_the_version_of_their_own_clinic(clinics, search_path):
    for statement in HOURS:
        before = clinics.versions()
        clinics.write(statement.format("clinic_a"), search_path)
        after = clinics.versions()
        assert after["clinic_a"] > before["clinic_a"], f"not noticed: {statement}"
        assert after["clinic_b"] == before["clinic_b"], f"the other's was changed: {statement}"


@pytest.mark.parametrize("search_path", ["clinic_b, public", "public"])
def test_a_visit_is_filled_in_from_its_own_clinic(clinics, search_path):
    clinics.write("INSERT INTO clinic_a.appointments (user_id, practitioner_id, date, time)"
                  f" VALUES ('u-{search_path}', 1, '{FRIDAY}', '09:00')", search_path)
    try:
        row = clinics.db.one("SELECT starts_at, client_id FROM clinic_a.appointments")
        assert row["starts_at"].isoformat() == f"{FRIDAY}T07:00:00+00:00"
        known = clinics.db.sql("SELECT id FROM clinic_a.people WHERE user_id = %s",
                               (f"u-{search_path}",))
        assert [person["id"] for person in known] == [row["client_id"]]
        clinics.write("UPDATE clinic_a.practitioners SET time_zone = 'Asia/Tokyo' WHERE id = 1",
                      search_path)
        row = clinics.db.one("SELECT date + time AS wall FROM clinic_a.appointments")
        assert row["wall"].isoformat() == f"{FRIDAY}T16:00:00"
    finally:
        clinics.write("DELETE FROM clinic_a.appointments;"
                      "UPDATE clinic_a.practitioners SET time_zone = 'Europe/Berlin'", "clinic_a")


def test_a_version_does_not_come_back(db, doctor):
    """As after a failover that lost the last changes: the next ones get other numbers."""
    version = "SELECT schedule_version FROM practitioners WHERE id = %s"
    lost = []
    connection = db.connect()
    for number in range(3):
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO practitioner_schedules (practitioner_id, day_of_week,"
                           " start_time, end_time) VALUES (%s, 5, '18:00', '20:00')", (doctor,))
            cursor.execute(version, (doctor,))
            lost.append(cursor.fetchone()[0])
        connection.rollback()
    connection.close()
    assert len(set(lost)) == 3
    seed.rule(db, doctor, 5, "18:00", "20:00")
    assert db.value(version, (doctor,)) > max(lost)


# --- what follows a change -------------------------------------------------------------------

@pytest.fixture
def two_meetings(db, user, doctor):
    """A visit for which somebody has written a second meeting, on another platform."""
    identity = user.book(doctor, FRIDAY, "14:00", videoMeetingConfig={"platform": "zoom"}) \
                   .expect(201)["appointmentId"]
    db.sql("INSERT INTO appointment_meetings (appointment_id, platform) VALUES (%s, 'teams')",
           (identity,))
    return identity


def operations(db, identity, name):
    rows = db.sql("SELECT payload ->> 'platform' AS platform, key FROM outbox"
                  " WHERE appointment_id = %s AND kind = 'meeting'"
                  " AND payload ->> 'operation' = %s ORDER BY 1", (identity, name))
    assert len({row["key"] for row in rows}) == len(rows)
    return [row["platform"] for row in rows]


def test_cancelling_deletes_every_meeting(db, user, two_meetings):
    user.put(f"/appointments/{two_meetings}/cancel", {}).expect(200)
    assert operations(db, two_meetings, "delete") == ["teams", "zoom"]


def test_moving_moves_every_meeting(db, user, two_meetings):
    for time in ("15:00", "16:00"):
        user.put(f"/appointments/{two_meetings}/reschedule",
                 {"newDate": FRIDAY, "newTime": time}).expect(200)
    assert operations(db, two_meetings, "move") == ["teams", "teams", "zoom", "zoom"]


# --- who no longer practises -----------------------------------------------------------------

def test_who_no_longer_practises_reads_no_visits(api, db, user, doctor):
    identity = user.book(doctor, FRIDAY, "14:00").expect(201)["appointmentId"]
    subject = seed.user_of(db, doctor)
    therapists = [api.as_therapist(subject), api.as_user(subject)]
    for therapist in therapists:
        therapist.get(f"/appointments/{identity}").expect(200)
    api.as_admin().delete(f"/practitioners/{doctor}").expect(200)
    for therapist in therapists:
        therapist.get(f"/appointments/{identity}").expect(404, "NOT_FOUND")
        therapist.put(f"/appointments/{identity}/cancel", {}).expect(404, "NOT_FOUND")
    assert therapists[0].get(f"/users/user-of-{doctor}/appointments") \
        .expect(200)["appointments"] == []
    therapists[0].get(f"/practitioners/{doctor}/schedules").expect(404)
    therapists[1].get(f"/practitioners/{doctor}/schedules").expect(403)
    user.get(f"/appointments/{identity}").expect(200)


def test_who_practises_again_reads_again(api, db, user, doctor):
    identity = user.book(doctor, FRIDAY, "14:00").expect(201)["appointmentId"]
    therapist = api.as_therapist(seed.user_of(db, doctor))
    for active, status in ((False, 404), (True, 200)):
        api.as_admin().put(f"/practitioners/{doctor}", {"active": active}).expect(200)
        therapist.get(f"/appointments/{identity}").expect(status)


# --- tags that a compressing server has changed ----------------------------------------------

def changed(tag, by):
    assert tag[0] == tag[-1] == '"', tag
    return f'{tag[:-1]}-{by}"'


@pytest.mark.parametrize("by", ["gzip", "br"])
@pytest.mark.parametrize("form", ["{}", '"x", {}', '{} , "y"'])
def test_a_tag_is_known_with_the_name_of_a_compression(user, doctor, by, form):
    identity = user.book(doctor, FRIDAY, "14:00").expect(201)["appointmentId"]
    tag = user.get(f"/appointments/{identity}").expect(200).etag
    user.put(f"/appointments/{identity}/cancel", {},
             headers={"If-Match": form.format(changed(tag, by))}).expect(200)


@pytest.mark.parametrize("match", ['"0123456789abcdef-gzip"', '"-gzip"', '"gzip"'])
def test_another_tag_is_not_known_by_the_name_of_a_compression(user, doctor, match):
    identity = user.book(doctor, FRIDAY, "14:00").expect(201)["appointmentId"]
    tag = user.get(f"/appointments/{identity}").expect(200).etag
    for refused in (match, changed(tag, "other"), changed(changed(tag, "gzip"), "gzip"),
                    changed(tag, "gzip") + "x"):
        user.put(f"/appointments/{identity}/cancel", {}, headers={"If-Match": refused}) \
            .expect(412, "PRECONDITION_FAILED")


def test_the_tag_of_a_compressed_answer_is_good_for_a_change(make_site):
    packed = make_site(modules=("filter", "deflate"),
                       vhost_conf="  AddOutputFilterByType DEFLATE application/json\n")
    doctor = seed.practitioner(packed.db)
    user = packed.api.as_client("of-the-packed")
    identity = user.book(doctor, FRIDAY, "14:00").expect(201)["appointmentId"]
    shown = user.get(f"/appointments/{identity}", headers={"Accept-Encoding": "gzip"}).expect(200)
    assert shown.headers["Content-Encoding"] == "gzip" and shown.etag.endswith('-gzip"')
    user.put(f"/appointments/{identity}/cancel", {}, headers={"If-Match": shown.etag}).expect(200)


# --- ratings ---------------------------------------------------------------------------------

def rating(db, doctor):
    return db.one("SELECT rating::text, reviews FROM practitioners WHERE id = %s", (doctor,))


@pytest.mark.parametrize("value", [1.5, 5, 99, -1, "NaN", None])
def test_nobody_rates_a_practitioner_through_the_api(api, db, doctor, value):
    before = rating(db, doctor)
    api.as_admin().put(f"/practitioners/{doctor}", {"bio": "x", "rating": value, "reviews": 7}) \
       .expect((200, 400))
    assert rating(db, doctor) == before
    made = api.as_admin().post("/practitioners", {"name": "Dr. Rated", "rating": value,
                                                  "reviews": 7}).expect((201, 400))
    if made.status == 201:
        assert rating(db, made["practitioner"]["id"]) == {"rating": "5.0", "reviews": 0}


@pytest.mark.parametrize("value", ["NaN", "-0.1", "5.1", "Infinity", "-Infinity"])
def test_the_database_refuses_what_is_no_rating(db, doctor, value):
    with pytest.raises(psycopg2.errors.CheckViolation):
        db.sql("UPDATE practitioners SET rating = %s::numeric WHERE id = %s", (value, doctor))


@pytest.mark.parametrize("value", ["0", "5", "4.75"])
def test_the_database_takes_what_is_a_rating(api, db, doctor, value):
    db.sql("UPDATE practitioners SET rating = %s::numeric WHERE id = %s", (value, doctor))
    assert api.get(f"/practitioners/{doctor}").expect(200)["rating"] == float(value)
