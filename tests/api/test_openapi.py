"""docs, tables and descriptions say the same: routes, errors, fields, directives."""
import json
import re

import pytest

from harness import build, contract, seed

pytestmark = pytest.mark.usefixtures("clock")

METHODS = {"get", "post", "put", "delete", "patch"}


@pytest.fixture(scope="module")
def description(site):
    return site.api.get("/openapi.json").expect(200).body


def operations(description):
    """{(method, template): operation}, templates without the server's prefix."""
    return {(method.upper(), re.sub(r"^/api(?=/)", "", template)): operation
            for template, item in description["paths"].items()
            for method, operation in item.items() if method in METHODS}


def text_of(value):
    return json.dumps(value)


def test_it_is_an_openapi_description(description):
    assert re.fullmatch(r"3\.1\.\d+", description["openapi"])
    assert description["info"]["title"] and description["info"]["version"]
    for route, operation in operations(description).items():
        assert operation.get("responses"), f"{route} has no responses"
        for status, response in operation["responses"].items():
            assert re.fullmatch(r"[1-5]\d\d|[1-5]XX|default", status), (route, status)
            assert "description" in response or "$ref" in response, (route, status)


def test_operation_ids_are_unique(description):
    ids = [operation.get("operationId") for operation in operations(description).values()]
    assert None not in ids and len(ids) == len(set(ids)), ids


def test_parameters_of_paths_are_described(description):
    for template, item in description["paths"].items():
        named = set(re.findall(r"{(\w+)}", template))
        for method in METHODS & set(item):
            parameters = item.get("parameters", []) + item[method].get("parameters", [])
            described = {row["name"] for row in parameters if row.get("in") == "path"}
            assert described == named, f"{method} {template}: {described}"
            assert all(row.get("required") for row in parameters if row.get("in") == "path")


def test_references_lead_somewhere(description):
    for reference in set(re.findall(r'"\$ref": "([^"]+)"', text_of(description))):
        assert reference.startswith("#/"), reference
        target = description
        for step in reference[2:].split("/"):
            assert step in target, f"{reference} leads nowhere"
            target = target[step]


def test_the_routes_are_those_of_the_document(description):
    documented = {(method, template) for method, template, _, _ in contract.ROUTES}
    assert set(operations(description)) == documented


# Members that a client sends, by route.
SENT = {
    ("POST", "/appointments"): [
        "userId", "practitionerId", "practitionerName", "date", "time", "startsAt", "sessionType",
        "userEmail", "userName", "notes", "videoMeetingConfig"],
    ("PUT", "/appointments/{appointmentId}/cancel"): ["reason"],
    ("PUT", "/appointments/{appointmentId}/reschedule"): ["newDate", "newTime", "startsAt"],
    ("POST", "/practitioners"): [
        "name", "specialty", "price", "imageUrl", "badge", "education", "degree", "locationType",
        "conditions", "bio", "yearsExperience", "approach", "languages", "certifications",
        "availability", "insuranceAccepted", "sessionFormat", "preferredVideoPlatform",
        "timeZone", "bufferBeforeMinutes", "bufferAfterMinutes", "minNoticeMinutes",
        "horizonDays", "cancelNoticeHours", "active", "email", "userId"],
    ("POST", "/practitioners/{practitionerId}/schedules"): [
        "dayOfWeek", "startTime", "endTime", "slotDurationMinutes", "isAvailable", "notes"],
    ("POST", "/practitioners/{practitionerId}/overrides"): [
        "date", "closed", "startTime", "endTime", "slotDurationMinutes", "note"],
}

QUERIES = {
    ("GET", "/practitioners"): ["limit", "cursor", "language", "specialty", "includeInactive"],
    ("GET", "/practitioners/{practitionerId}/availability"): ["date", "from", "to"],
    ("GET", "/availability/search"): ["from", "to", "language", "specialty", "practitionerId"],
    ("GET", "/users/{userId}/appointments"): ["status", "from", "to", "limit", "cursor"],
    ("GET", "/practitioners/{practitionerId}/overrides"): ["from", "to"],
}


def resolved(description, value):
    while isinstance(value, dict) and "$ref" in value:
        target = description
        for step in value["$ref"][2:].split("/"):
            target = target[step]
        value = target
    return value


@pytest.mark.parametrize("route", SENT, ids=" ".join)
def test_members_that_clients_send_are_described(description, route):
    body = resolved(description, operations(description)[route].get("requestBody", {}))
    schema = resolved(description, body["content"]["application/json"]["schema"])
    missing = set(SENT[route]) - set(schema["properties"])
    assert not missing, f"not described for {route}: {missing}"


@pytest.mark.parametrize("route", QUERIES, ids=" ".join)
def test_query_parameters_are_described(description, route):
    template = next(name for name in description["paths"] if name.endswith(route[1]))
    parameters = [resolved(description, row) for row in
                  description["paths"][template].get("parameters", [])
                  + operations(description)[route].get("parameters", [])]
    described = {row["name"] for row in parameters if row["in"] == "query"}
    assert set(QUERIES[route]) <= described, f"not described: {set(QUERIES[route]) - described}"


def test_codes_of_errors_are_described(description):
    text = text_of(description)
    for code in contract.ERRORS:
        assert code in text, f"{code} is not in openapi.json"


# --- groups ----------------------------------------------------------------------------------

GROUPS = sorted({group for _, _, group, _ in contract.ROUTES})


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_that_is_switched_off_is_gone(make_site, db, group):
    site = make_site(vhost_conf=f"  BookingRoutes -{group}\n")
    doctor = seed.practitioner(site.db)
    off = [(method, template) for method, template, its, _ in contract.ROUTES if its == group]
    for method, template in off:
        path = re.sub(r"{\w+}", str(doctor), template)
        site.api.as_admin().request(method, path, json={} if method in ("POST", "PUT") else None) \
            .expect(404, "NOT_FOUND")
    if group != "openapi":
        described = operations(site.api.get("/openapi.json").expect(200).body)
        assert set(described).isdisjoint(off), "switched off, but described"
        assert described, "everything is gone"
    if group != "health":
        site.api.get("/health").expect(200)


# --- documents against tables ----------------------------------------------------------------

ERRORS_DEF = build.TOP / "include" / "booking" / "errors.def"


def test_the_errors_of_the_document_are_those_of_the_table():
    rows = re.findall(r"^BK_ERROR\((\w+),\s*(\d+),", ERRORS_DEF.read_text(), re.M)
    assert {name: int(status) for name, status in rows} == contract.ERRORS


def directives_of_the_module():
    """Names from the directive table in the source, wherever it stands."""
    found = set()
    for path in (build.TOP / "src" / "httpd").glob("*"):
        if path.suffix in (".c", ".h", ".def"):
            found |= set(re.findall(r'"(Booking[A-Z]\w+)"', path.read_text()))
            found |= set(re.findall(r"\b\w*DIRECTIVE\w*\((Booking[A-Z]\w+)", path.read_text()))
    return found


def documented_directives(path):
    return set(re.findall(r"\bBooking[A-Z]\w+", path.read_text())) - {"BookingXxx"}


@pytest.mark.parametrize("name", ["docs/configuration.md", "conf/booking.conf"])
def test_every_directive_is_documented_and_there_are_no_others(name):
    path = build.TOP / name
    known = directives_of_the_module()
    if not path.exists() or not known:
        pytest.skip(f"{name} or the table of directives is not there yet")
    documented = documented_directives(path)
    assert documented == known, (f"not in {name}: {sorted(known - documented)}; "
                                 f"only in {name}: {sorted(documented - known)}")


# --- every member that the document names ----------------------------------------------------

VALUES = {"zoom", "teams"}  # names in backticks that are values


def documented_members():
    names = set()
    for title in ("Practitioners", "Availability", "Appointments", "Hours", "Errors"):
        text = contract._section(title)
        names |= set(re.findall(r"`([a-z][A-Za-z]+)(?:\[\])?`", text))
        names |= set(re.findall(r'"([a-z][A-Za-z]+)":', text))
    return names - VALUES


def described_names(value):
    """Names of properties and parameters anywhere in the description."""
    names = set()
    if isinstance(value, dict):
        names |= set(value.get("properties", {}))
        if "in" in value and isinstance(value.get("name"), str):
            names.add(value["name"])
        for member in value.values():
            names |= described_names(member)
    elif isinstance(value, list):
        for member in value:
            names |= described_names(member)
    return names


def test_every_member_in_the_document_is_described(description):
    missing = documented_members() - described_names(description)
    assert not missing, f"in docs/api.md, but not in openapi.json: {sorted(missing)}"


def test_answers_have_no_members_that_are_not_described(site, description):
    """What really comes over the wire, in the routes that answer most."""
    doctor = seed.practitioner(site.db)
    user = site.api.as_client("described")
    answers = [user.book(doctor, "2025-06-20", "09:00", userName="Desi Scribe",
                         videoMeetingConfig={"platform": "zoom"}).expect(201).body]
    answers += [user.get(path).expect(200).body for path in (
        f"/appointments/{answers[0]['appointmentId']}", "/users/described/appointments",
        f"/practitioners/{doctor}", f"/practitioners/{doctor}/availability?date=2025-06-20",
        "/availability/search?from=2025-06-20&to=2025-06-20", "/health")]
    answers.append(site.api.as_admin().get(f"/practitioners/{doctor}/schedules").body)

    def names(value):
        if isinstance(value, dict):
            return set(value).union(*map(names, value.values()))
        return set().union(*map(names, value)) if isinstance(value, list) else set()
    missing = set().union(*map(names, answers)) - described_names(description)
    assert not missing, f"answered, but not described: {sorted(missing)}"
