"""Who may call what: the table of docs/api.md, each row in each identity.

The table itself is read from the document; here stands only how each route is called, and what
a cell of the table means as a status.
"""
import pytest

from harness import contract, seed, tokens

FRIDAY = "2025-06-20"
SECRET_NAME = "Perpetua Hushington"
SECRET_EMAIL = "perpetua.hushington@canary.example"
SECRET_NOTES = "Dreams of lighthouses at noon."


class World:
    """Two practices with a client each; what is protected belongs to the first."""

    def __init__(self, api, db):
        self.api, self.db = api, db
        self.doctor = seed.practitioner(db, bio="Public biography.")
        self.other_doctor = seed.practitioner(db)
        self.therapist = seed.user_of(db, self.doctor)
        self.other_therapist = seed.user_of(db, self.other_doctor)
        self.client = f"client-{self.doctor}"
        self.other_client = f"other-client-{self.doctor}"
        self.visit = self._visit(self.client, self.doctor, "09:00")
        self.other_visit = self._visit(self.other_client, self.other_doctor, "09:00")
        self.rule = db.value("SELECT min(id) FROM practitioner_schedules"
                             " WHERE practitioner_id = %s", (self.doctor,))
        self.override = seed.override(db, self.doctor, "2025-07-01", "09:00", "10:00")

    def _visit(self, user, doctor, time):
        return self.api.as_client(user).book(
            doctor, FRIDAY, time, userName=SECRET_NAME, userEmail=SECRET_EMAIL,
            notes=SECRET_NOTES).expect(201).body

    def identities(self):
        api = self.api
        return {
            "anonymous": api.anonymous(),
            "client own": api.as_client(self.client),
            "client other": api.as_client(self.other_client),
            "therapist own": api.as_therapist(self.therapist),
            "therapist other": api.as_therapist(self.other_therapist),
            "admin": api.as_admin(),
            "user without role, own": api.as_user(self.client),
            "user without role, other": api.as_user(self.other_client),
            "practitioner without role claim": api.as_user(self.therapist),
            "a role that nobody knows": api.as_role("wizard", self.client + "-w"),
            "therapist without a practice": api.as_therapist("nobody's therapist"),
        }


@pytest.fixture
def world(api, db, clock):
    return World(api, db)


# How each route is called so that it succeeds for whoever may call it: path, body.
CALLS = {
    ("GET", "/health"): lambda w: ("/health", None),
    ("GET", "/openapi.json"): lambda w: ("/openapi.json", None),
    ("GET", "/practitioners"): lambda w: ("/practitioners?limit=2", None),
    ("POST", "/practitioners"): lambda w: ("/practitioners", {"name": "Dr. New"}),
    ("GET", "/practitioners/{practitionerId}"): lambda w: (f"/practitioners/{w.doctor}", None),
    ("PUT", "/practitioners/{practitionerId}"):
        lambda w: (f"/practitioners/{w.doctor}", {"bio": "A new biography."}),
    ("DELETE", "/practitioners/{practitionerId}"):
        lambda w: (f"/practitioners/{w.doctor}", None),
    ("GET", "/practitioners/{practitionerId}/availability"):
        lambda w: (f"/practitioners/{w.doctor}/availability?date={FRIDAY}", None),
    ("GET", "/availability/search"):
        lambda w: (f"/availability/search?from={FRIDAY}&to={FRIDAY}", None),
    ("GET", "/practitioners/{practitionerId}/schedules"):
        lambda w: (f"/practitioners/{w.doctor}/schedules", None),
    ("POST", "/practitioners/{practitionerId}/schedules"):
        lambda w: (f"/practitioners/{w.doctor}/schedules",
                   {"dayOfWeek": 1, "startTime": "18:00", "endTime": "20:00"}),
    ("PUT", "/practitioners/{practitionerId}/schedules/{scheduleId}"):
        lambda w: (f"/practitioners/{w.doctor}/schedules/{w.rule}",
                   {"dayOfWeek": 1, "startTime": "10:00", "endTime": "12:00"}),
    ("DELETE", "/practitioners/{practitionerId}/schedules/{scheduleId}"):
        lambda w: (f"/practitioners/{w.doctor}/schedules/{w.rule}", None),
    ("GET", "/practitioners/{practitionerId}/overrides"):
        lambda w: (f"/practitioners/{w.doctor}/overrides", None),
    ("POST", "/practitioners/{practitionerId}/overrides"):
        lambda w: (f"/practitioners/{w.doctor}/overrides",
                   {"date": "2025-07-02", "closed": True}),
    ("PUT", "/practitioners/{practitionerId}/overrides/{overrideId}"):
        lambda w: (f"/practitioners/{w.doctor}/overrides/{w.override}",
                   {"date": "2025-07-03", "closed": True}),
    ("DELETE", "/practitioners/{practitionerId}/overrides/{overrideId}"):
        lambda w: (f"/practitioners/{w.doctor}/overrides/{w.override}", None),
    ("POST", "/appointments"):
        lambda w: ("/appointments", {"userId": w.client, "practitionerId": w.doctor,
                                     "date": FRIDAY, "time": "11:00:00"}),
    ("GET", "/appointments/{appointmentId}"):
        lambda w: (f"/appointments/{w.visit['appointmentId']}", None),
    ("PUT", "/appointments/{appointmentId}/cancel"):
        lambda w: (f"/appointments/{w.visit['appointmentId']}/cancel", {"reason": "Rain"}),
    ("PUT", "/appointments/{appointmentId}/reschedule"):
        lambda w: (f"/appointments/{w.visit['appointmentId']}/reschedule",
                   {"newDate": FRIDAY, "newTime": "15:00"}),
    ("GET", "/users/{userId}/appointments"):
        lambda w: (f"/users/{w.client}/appointments", None),
}

# The column of the table for each identity, and whether what is asked for is theirs.
COLUMNS = {
    "anonymous": ("anonymous", False),
    "client own": ("client", True),
    "client other": ("client", False),
    "therapist own": ("therapist", True),
    "therapist other": ("therapist", False),
    "admin": ("admin", True),
    "user without role, own": ("client", True),
    "user without role, other": ("client", False),
    "practitioner without role claim": ("therapist", True),
    "a role that nobody knows": ("client", False),
    "therapist without a practice": ("therapist", False),
}

CREATED = {"/practitioners", "/practitioners/{practitionerId}/schedules",
           "/practitioners/{practitionerId}/overrides", "/appointments"}


def expected(method, template, cells, identity):
    """The statuses that the table allows."""
    column, theirs = COLUMNS[identity]
    cell = cells[column]
    fine = {201} if method == "POST" and template in CREATED else {200}
    if cell == "any" or cell.endswith("configurable, on") or cell == "configurable, on":
        return fine
    if column == "anonymous":
        return {401}
    if identity == "a role that nobody knows" and cell != "own":
        return {403}
    if cell == "-":
        return {403}
    if theirs:
        return fine
    if template == "/appointments":
        return {403}
    if template == "/users/{userId}/appointments" and column == "therapist":
        return {200}  # an empty list: only the rows of their practice
    return {404}


def test_every_documented_route_is_called_here():
    documented = {(method, template) for method, template, _, _ in contract.ROUTES}
    assert documented == set(CALLS)


@pytest.mark.parametrize("identity", COLUMNS)
@pytest.mark.parametrize("route", contract.ROUTES, ids=lambda route: f"{route[0]} {route[1]}")
def test_the_table_of_roles(world, route, identity):
    method, template, _, cells = route
    path, body = CALLS[method, template](world)
    answer = world.identities()[identity].request(method, path, json=body)
    answer.expect(expected(method, template, cells, identity))
    _, theirs = COLUMNS[identity]
    if not theirs:
        for secret in (SECRET_NAME, SECRET_EMAIL, SECRET_NOTES):
            assert secret.encode() not in answer.content, f"{secret!r} leaked: {answer}"


@pytest.mark.parametrize("route", contract.ROUTES, ids=lambda route: f"{route[0]} {route[1]}")
@pytest.mark.parametrize("flaw", ["expired", "tampered", "of another issuer", "not a token"])
def test_a_bad_bearer_token_opens_nothing(world, httpd, route, flaw):
    httpd.allow_log(r"oauth2:|authz_core:")
    good = tokens.token("admin", "admin-1")
    head, payload, signature = good.split(".")
    bad = {"expired": tokens.make("admin", "admin-1", exp=1_700_000_000),
           "tampered": f"{head}.{payload}.{signature[:-3]}AAA",
           "of another issuer": tokens.make("admin", "admin-1", iss="https://evil.example"),
           "not a token": "lorem-ipsum-dolor"}[flaw]
    path, body = CALLS[route[0], route[1]](world)
    answer = world.api.with_token(bad).request(route[0], path, json=body)
    answer.expect({401, 403})


# --- manage tokens ---------------------------------------------------------------------------

TOKEN_ROUTES = [route for route in contract.ROUTES if route[3]["anonymous"] == "token"]


def test_three_routes_take_a_manage_token():
    assert len(TOKEN_ROUTES) == 3


def tamper(token):
    """Another letter in the middle, where it is surely part of what is signed."""
    middle = len(token) // 2
    return token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1:]


@pytest.mark.parametrize("how", ["parameter", "header"])
@pytest.mark.parametrize("whose, fine", [
    ("of this visit", True), ("of another visit", False), ("tampered with", False),
    ("cut short", False), ("empty", False), ("of another kind", False)])
@pytest.mark.parametrize("route", TOKEN_ROUTES, ids=lambda route: f"{route[0]} {route[1]}")
def test_manage_tokens(world, route, whose, fine, how):
    mine = world.visit["manageToken"]
    token = {"of this visit": mine, "of another visit": world.other_visit["manageToken"],
             "tampered with": tamper(mine), "cut short": mine[:-1], "empty": "",
             "of another kind": "mt_" + tokens.token("admin", "admin-1")}[whose]
    path, body = CALLS[route[0], route[1]](world)
    if how == "parameter":
        answer = world.api.request(route[0], f"{path}?token={token}", json=body)
    else:
        answer = world.api.request(route[0], path, json=body, headers={"X-Manage-Token": token})
    answer.expect(200 if fine else {401, 404})
    if not fine:
        assert SECRET_NAME.encode() not in answer.content, answer


@pytest.mark.parametrize("route", [
    route for route in contract.ROUTES if route[3]["anonymous"] in ("-", "configurable, off")],
    ids=lambda route: f"{route[0]} {route[1]}")
def test_a_manage_token_opens_nothing_else(world, route):
    path, body = CALLS[route[0], route[1]](world)
    answer = world.api.request(route[0], path, json=body,
                               headers={"X-Manage-Token": world.visit["manageToken"]})
    answer.expect(401)


# --- finer rules -----------------------------------------------------------------------------

def test_a_client_books_for_nobody_else(world):
    answer = world.api.as_client(world.client).book(
        world.doctor, FRIDAY, "12:00:00", userId=world.other_client)
    answer.expect(403, "FORBIDDEN")


def test_a_therapist_books_for_clients_of_theirs_only(world):
    practice = world.api.as_therapist(world.therapist)
    practice.book(world.doctor, FRIDAY, "12:00:00", userId=world.client).expect(201)
    practice.book(world.doctor, FRIDAY, "13:00:00", userId=world.other_client) \
            .expect(403, "NOT_YOUR_CLIENT")


def test_a_therapist_books_into_their_own_calendar_only(world):
    practice = world.api.as_therapist(world.therapist)
    practice.book(world.other_doctor, FRIDAY, "12:00:00", userId=world.client).expect(403)


def test_an_administrator_books_for_anybody(world):
    answer = world.api.as_admin().book(world.doctor, FRIDAY, "12:00:00", userId="first-timer")
    identity = answer.expect(201)["appointmentId"]
    shown = world.api.as_client("first-timer").get(f"/appointments/{identity}").expect(200)
    assert shown["userId"] == "first-timer"


def test_a_therapist_sees_only_the_rows_of_their_practice(world):
    world.api.as_client(world.client).book(world.other_doctor, FRIDAY, "14:00:00").expect(201)
    path = f"/users/{world.client}/appointments"

    def seen(who):
        return {row["practitionerId"] for row in who.get(path).expect(200)["appointments"]}
    assert seen(world.api.as_therapist(world.therapist)) == {world.doctor}
    assert seen(world.api.as_therapist(world.other_therapist)) == {world.other_doctor}
    assert seen(world.api.as_admin()) == {world.doctor, world.other_doctor}
    assert seen(world.api.as_client(world.client)) == {world.doctor, world.other_doctor}


def test_what_is_not_there_and_what_is_not_yours_answer_alike(world):
    stranger = world.api.as_client(world.other_client)

    def answers(name):
        return stranger.get(f"/appointments/{name}").expect(404).body
    theirs, nobodys = answers(world.visit["appointmentId"]), answers(987654321)
    for body in (theirs, nobodys):
        body.pop("requestId")
    assert theirs == nobodys


def test_contact_data_of_a_practice_is_for_the_practice_and_admins(world):
    path = f"/practitioners/{world.doctor}"
    identities = world.identities()
    for name, api in identities.items():
        body = api.get(path).expect(200).body
        entitled = name in ("therapist own", "admin", "practitioner without role claim")
        assert ("email" in body, "userId" in body) == (entitled, entitled), f"as {name}: {body}"
        listed = api.get("/practitioners?limit=100").expect(200)
        if name not in ("therapist own", "therapist other", "admin",
                        "practitioner without role claim"):
            assert b"@canary.example" not in listed.content, f"as {name}: {listed}"


def test_only_admins_set_user_and_activity(world):
    practice = world.api.as_therapist(world.therapist)
    path = f"/practitioners/{world.doctor}"
    for body in ({"userId": "somebody"}, {"active": False}):
        practice.put(path, body).expect((400, 403))
    assert world.db.one("SELECT user_id, active FROM practitioners WHERE id = %s",
                        (world.doctor,)) == {"user_id": world.therapist, "active": True}
    world.api.as_admin().put(path, {"userId": f"new-{world.therapist}"}).expect(200)
    practice.put(path, {"bio": "Not mine any more."}).expect(404)


def test_inactive_practitioners_are_listed_for_admins_only(world):
    world.db.sql("UPDATE practitioners SET active = false WHERE id = %s", (world.doctor,))

    def listed(api):
        answer = api.get("/practitioners?includeInactive=true&limit=100")
        if answer.status != 200:
            return None
        found, cursor = {row["id"] for row in answer["practitioners"]}, answer["nextCursor"]
        while cursor:
            answer = api.get(f"/practitioners?includeInactive=true&limit=100&cursor={cursor}")
            found |= {row["id"] for row in answer["practitioners"]}
            cursor = answer["nextCursor"]
        return found
    assert world.doctor in listed(world.api.as_admin())
    for api in (world.api.as_client(world.client), world.api.anonymous()):
        assert world.doctor not in (listed(api) or set())


@pytest.mark.parametrize("path", ["schedules/{rule}", "overrides/{override}"])
def test_hours_are_not_reached_through_another_practice(world, path):
    practice = world.api.as_therapist(world.other_therapist)
    target = path.format(rule=world.rule, override=world.override)
    practice.delete(f"/practitioners/{world.other_doctor}/{target}").expect(404)
    world.api.as_admin().delete(f"/practitioners/{world.other_doctor}/{target}").expect(404)


# --- configured otherwise --------------------------------------------------------------------

def test_reading_times_can_be_kept_for_signed_in_users(make_site):
    closed = make_site(vhost_conf="  BookingPublicAvailability Off\n")
    doctor = seed.practitioner(closed.db)
    for path in (f"/practitioners/{doctor}/availability?date={FRIDAY}",
                 f"/availability/search?from={FRIDAY}&to={FRIDAY}"):
        closed.api.get(path).expect(401, "UNAUTHENTICATED")
        closed.api.as_client("reader").get(path).expect(200)
