"""Several clinics in one server, and several places of one clinic's API."""
import pytest

from harness import contract, seed
from harness.httpd import Httpd

FRIDAY = "2025-06-20"

PLACES = """
  <Location "/calendar">
    BookingEngine On
    BookingRoutes none +availability +practitioners
    Require all granted
  </Location>
  <Location "/guests/api">
    BookingEngine On
    BookingGuests On
    BookingRoutes -practitioners
    Require all granted
  </Location>
"""


@pytest.fixture(scope="module")
def other_db(cluster):
    return cluster.create()


@pytest.fixture(scope="module")
def other_key(other_db):
    """A server that is only written down: the second clinic's half of the configuration."""
    other = Httpd(database=other_db).write()
    yield other
    other.destroy()


@pytest.fixture(scope="module")
def site_options(other_db, other_key):
    other_key.clock = True  # the first clinic's; the environment is the process's
    text = other_key.host_lines().replace(f":{other_key.port}>", ":{port}>") \
                    .replace("ServerName clinic.example", "ServerName other.example")
    return {"server_conf": "ServerName nobody.example\n", "vhost_conf": PLACES,
            "after": text}


@pytest.fixture(scope="module")
def site(make_site, site_options):
    after = site_options.pop("after")
    site = make_site(start=False, **site_options)
    lines = site.httpd.host_lines
    site.httpd.host_lines = lambda: lines() + after.replace("{port}", str(site.httpd.port))
    site.httpd.start()
    return site


class Clinic:
    """The same server under another host name."""

    def __init__(self, api, host):
        self.api, self.host = api, host

    def request(self, method, path, **options):
        return self.api.request(method, path, headers={"Host": self.host}, **options)


def labels(clinic, doctor):
    answer = clinic.request("GET", f"/practitioners/{doctor}/availability?date={FRIDAY}")
    return [slot["time"] for slot in answer.expect(200)["timeSlots"] if slot["available"]]


def test_the_same_id_is_somebody_else_in_each_clinic(site, other_db, clock):
    """Nothing that is kept between requests is mixed up."""
    one = seed.practitioner(site.db, hours=(("09:00", "11:00"),), id=7001)
    two = seed.practitioner(other_db, hours=(("15:00", "17:00"),), zone="Asia/Kathmandu", id=7001)
    first, second = Clinic(site.api, "clinic.example"), Clinic(site.api, "other.example")
    for _ in range(5):
        assert labels(first, one) == ["09:00 AM", "10:00 AM"]
        assert labels(second, two) == ["03:00 PM", "04:00 PM"]
    user = site.api.as_client("of-both")
    for host, time in (("clinic.example", "10:00"), ("other.example", "15:00")):
        Clinic(user, host).request("POST", "/appointments", json={
            "practitionerId": 7001, "date": FRIDAY, "time": time}).expect(201)
    assert labels(first, one) == ["09:00 AM"]
    assert labels(second, two) == ["04:00 PM"]
    assert site.db.value("SELECT count(*) FROM appointments") == 1
    assert other_db.value("SELECT count(*) FROM appointments") == 1


def test_a_manage_token_of_one_clinic_is_none_in_the_other(site, other_db, clock):
    doctor = seed.practitioner(site.db)
    made = site.api.as_client("token-owner").book(doctor, FRIDAY, "14:00").expect(201)
    path = f"/appointments/{made['bookingId']}?token={made['manageToken']}"
    Clinic(site.api, "clinic.example").request("GET", path).expect(200)
    Clinic(site.api, "other.example").request("GET", path).expect((401, 404))


def test_each_place_has_its_own_routes(site, clock):
    doctor = seed.practitioner(site.db)
    calendar = site.api.anonymous()
    calendar.prefix = "/calendar"
    calendar.get(f"/practitioners/{doctor}/availability?date={FRIDAY}").expect(200)
    calendar.get(f"/practitioners/{doctor}").expect(200)
    for path in ("/health", "/openapi.json", "/appointments", "/users/x/appointments"):
        calendar.get(path).expect(404)
    site.api.get("/health").expect(200)


def test_guests_are_let_in_at_one_place_only(site, clock):
    doctor = seed.practitioner(site.db)
    guest = {"userEmail": "placed.guest@canary.example", "userName": "Placed Guestling"}
    site.api.book(doctor, FRIDAY, "14:00", **guest).expect(401)
    guests = site.api.anonymous()
    guests.prefix = "/guests/api"
    made = guests.book(doctor, FRIDAY, "14:00", **guest).expect(201)
    assert made.headers["Location"].endswith(f"/guests/api/appointments/{made['appointmentId']}")
    site.api.get(f"/appointments/{made['bookingId']}?token={made['manageToken']}").expect(200)
    guests.get("/practitioners").expect(404)


def test_the_description_knows_its_place(site, clock):
    guests = site.api.anonymous()
    guests.prefix = "/guests/api"
    description = guests.get("/openapi.json").expect(200)
    assert description["servers"][0]["url"].endswith("/guests/api")
    groups = {group for method, template, group, _ in contract.ROUTES
              if template in description["paths"]}
    assert groups == {group for _, _, group, _ in contract.ROUTES} - {"practitioners"}


def test_more_practitioners_than_are_remembered(site, clock):
    """Hours are remembered for a limited number of practitioners; none of them is lost."""
    db = site.db
    db.sql("INSERT INTO practitioners (id, name, specialty) SELECT n, 'Dr. ' || n, 'Crowd'"
           " FROM generate_series(100001, 110500) n")
    db.sql("INSERT INTO practitioner_schedules (practitioner_id, day_of_week, start_time,"
           " end_time) SELECT n, 5, '09:00', '10:00' FROM generate_series(100001, 110500) n")
    found, cursor = 0, ""
    while cursor is not None:
        answer = site.api.get(f"/availability/search?from={FRIDAY}&to={FRIDAY}&specialty=Crowd"
                              f"&limit=200{cursor}").expect(200)
        found += sum(len(row["days"]) for row in answer["practitioners"])
        cursor = answer["nextCursor"] and f"&cursor={answer['nextCursor']}"
    assert found == 10500
    user = site.api.as_client("of-the-crowd")
    user.book(100001, FRIDAY, "09:00").expect(201)
    assert site.api.free(110500, FRIDAY) != []
