"""Every error there is, whoever makes it, has the one envelope; and identity is not forged."""
import socket
import time

import pytest

from harness import contract, raw, seed, tokens

FRIDAY = "2025-06-20"

pytestmark = pytest.mark.usefixtures("clock")


@pytest.fixture(scope="module")
def site_options():
    # What an .htaccess or a careless administrator might do: plant claims for everybody.
    return {"vhost_conf": """
  RequestReadTimeout header=2 body=2
  SetEnvIf X-Plant "(.+)" OAUTH2_CLAIM_role=$1 OAUTH2_CLAIM_sub=planted
  SetEnvIf X-Plant-User "(.+)" REMOTE_USER=$1
"""}


@pytest.fixture
def doctor(db):
    return seed.practitioner(db)


@pytest.fixture
def user(api, doctor):
    return api.as_client(f"user-of-{doctor}")


def booking(doctor, **members):
    return {"practitionerId": doctor, "date": FRIDAY, "time": "14:00:00", **members}


# --- each row of the table -------------------------------------------------------------------

def malformed_json(s):
    return s.user.post("/appointments", body=b'{"practitionerId": 1,,}',
                       headers={"Content-Type": "application/json"})


def slot_taken(s):
    s.api.as_client("quicker").post("/appointments", booking(s.doctor)).expect(201)
    return s.user.post("/appointments", booking(s.doctor))


def client_busy(s):
    s.user.post("/appointments", booking(seed.practitioner(s.db))).expect(201)
    return s.user.post("/appointments", booking(s.doctor))


def invalid_state(s):
    identity = s.user.post("/appointments", booking(s.doctor)).expect(201)["appointmentId"]
    s.user.put(f"/appointments/{identity}/cancel", {}).expect(200)
    return s.user.put(f"/appointments/{identity}/cancel", {})


def conflict(s):
    seed.override(s.db, s.doctor, FRIDAY, "09:00", "10:00")
    return s.api.as_admin().post(f"/practitioners/{s.doctor}/overrides",
                                 {"date": FRIDAY, "closed": True})


def idempotency_mismatch(s):
    key = {"Idempotency-Key": f"one-{s.doctor}"}
    s.user.post("/appointments", booking(s.doctor), headers=key).expect(201)
    return s.user.post("/appointments", booking(s.doctor, notes="Else."), headers=key)


def not_your_client(s):
    return s.api.as_therapist(seed.user_of(s.db, s.doctor)) \
        .post("/appointments", booking(s.doctor, userId="unknown-person"))


def precondition_failed(s):
    identity = s.user.post("/appointments", booking(s.doctor)).expect(201)["appointmentId"]
    return s.user.put(f"/appointments/{identity}/cancel", {}, headers={"If-Match": '"x"'})


PROVOKED = {
    "MALFORMED_JSON": malformed_json,
    "VALIDATION_FAILED": lambda s: s.user.post("/appointments", {}),
    "PAST_TIME": lambda s: s.user.post("/appointments", booking(s.doctor, date="2025-05-30")),
    "BAD_REQUEST": lambda s: raw.send(s.httpd, b"GET /api/health HTTP/1.1\r\n\r\n"),
    "UNAUTHENTICATED": lambda s: s.api.post("/appointments", booking(s.doctor)),
    "FORBIDDEN": lambda s: s.user.post("/practitioners", {"name": "Dr. Me"}),
    "NOT_YOUR_CLIENT": not_your_client,
    "NOT_FOUND": lambda s: s.api.get("/nothing-here"),
    "METHOD_NOT_ALLOWED": lambda s: s.api.delete("/health"),
    "NOT_ACCEPTABLE": lambda s: s.api.get("/health", headers={"Accept": "text/html"}),
    "SLOT_TAKEN": slot_taken,
    "SLOT_UNAVAILABLE": lambda s: s.user.post("/appointments", booking(s.doctor, time="14:07")),
    "CLIENT_BUSY": client_busy,
    "INVALID_STATE": invalid_state,
    "CONFLICT": conflict,
    "IDEMPOTENCY_MISMATCH": idempotency_mismatch,
    "PRECONDITION_FAILED": precondition_failed,
    "PAYLOAD_TOO_LARGE": lambda s: s.user.post("/appointments", {"notes": "x" * 2_000_000}),
    "URI_TOO_LONG": lambda s: raw.send(
        s.httpd, raw.request("GET", "/api/practitioners?cursor=" + "x" * 20_000)),
    "UNSUPPORTED_MEDIA_TYPE": lambda s: s.user.post(
        "/appointments", body=b"a=1",
        headers={"Content-Type": "application/x-www-form-urlencoded"}),
}
# UNAVAILABLE and REQUEST_TIMEOUT have tests of their own, RATE_LIMITED is another module's,
# INTERNAL must not be provokable.
ELSEWHERE = {"UNAVAILABLE", "REQUEST_TIMEOUT", "RATE_LIMITED", "INTERNAL"}


def test_every_documented_error_is_provoked():
    assert set(PROVOKED) | ELSEWHERE == set(contract.ERRORS)


class Scene:
    def __init__(self, **members):
        self.__dict__.update(members)


@pytest.mark.parametrize("code", PROVOKED)
def test_each_documented_error(httpd, api, db, user, doctor, code):
    httpd.allow_log(r"AH0056|AH00135|AH0013")  # what Apache could not read
    scene = Scene(httpd=httpd, api=api, db=db, user=user, doctor=doctor)
    answer = PROVOKED[code](scene)
    assert answer is not None, "the connection was closed without an answer"
    answer.expect(contract.ERRORS[code])
    api.check(answer)
    assert answer.code == code, answer


def test_a_request_that_arrives_too_slowly(httpd, api):
    head = raw.request("POST", "/api/appointments",
                       [("Content-Type", "application/json"), ("Content-Length", "100"),
                        ("Authorization", f"Bearer {tokens.token()}")])
    started = time.monotonic()
    answer = raw.send(httpd, head + b'{"pract')
    assert time.monotonic() - started < 8, "the slow request was waited for"
    assert answer is not None, "closed without an answer"
    answer.expect(408)
    api.check(answer)


def test_malformed_json_is_located(user):
    answer = user.post("/appointments", body=b'{\n  "date": "2025-06-20",\n  "time" 1}',
                       headers={"Content-Type": "application/json"})
    answer.expect(400, "MALFORMED_JSON")
    assert "3" in " ".join(row["issue"] for row in answer["details"]), "no line in details"


def test_every_broken_field_is_named_at_once(user, doctor):
    answer = user.post("/appointments", {
        "practitionerId": doctor, "date": "2025-02-30", "time": "25:00", "userEmail": "nobody",
        "sessionType": 7, "videoMeetingConfig": {"platform": "carrier-pigeon"}})
    answer.expect(400, "VALIDATION_FAILED")
    assert answer.fields == {"date", "time", "userEmail", "sessionType",
                             "videoMeetingConfig.platform"}


def test_the_request_id_is_the_one_of_the_header(api):
    answer = api.get("/nothing-here").expect(404)
    assert answer.headers.get("X-Request-Id", answer["requestId"]) == answer["requestId"]


# --- methods ---------------------------------------------------------------------------------

def templates():
    known = {}
    for method, template, _, _ in contract.ROUTES:
        known.setdefault(template, set()).add(method)
    return known


def concrete(template):
    for name in ("practitionerId", "scheduleId", "overrideId", "appointmentId", "userId"):
        template = template.replace("{" + name + "}", "1")
    return template


METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "TRACK", "BREW", "PROPFIND"]


@pytest.mark.parametrize("template", templates())
def test_405_names_the_methods_there_are(api, template):
    known = templates()[template]
    for method in METHODS:
        if method in known:
            continue
        answer = api.as_admin().request(method, concrete(template)).expect(405)
        allowed = {word.strip() for word in answer.headers["Allow"].split(",")}
        wanted = known | {"OPTIONS"} | ({"HEAD"} if "GET" in known else set())
        assert allowed == wanted, f"Allow of {template}: {allowed}"


@pytest.mark.parametrize("template", templates())
def test_options_names_the_methods_there_are(api, template):
    known = templates()[template]
    answer = api.request("OPTIONS", concrete(template)).expect((200, 204))
    allowed = {word.strip() for word in answer.headers["Allow"].split(",")}
    assert allowed == known | {"OPTIONS"} | ({"HEAD"} if "GET" in known else set())


@pytest.mark.parametrize("path", ["/health", "/openapi.json", "/practitioners",
                                  "/practitioners/{doctor}"])
def test_head_is_get_without_the_body(api, doctor, path):
    path = path.format(doctor=doctor)
    full, head = api.get(path).expect(200), api.request("HEAD", path)
    assert (head.status, head.content) == (200, b"")
    assert head.headers["Content-Type"] == full.headers["Content-Type"]


def test_head_of_what_is_missing(api):
    answer = api.request("HEAD", "/nothing-here")
    assert (answer.status, answer.content) == (404, b"")


# --- negotiation -----------------------------------------------------------------------------

@pytest.mark.parametrize("accept, status", [
    (None, 200), ("*/*", 200), ("application/json", 200), ("application/*", 200),
    ("text/html, application/json;q=0.5", 200), ("text/html, */*;q=0.1", 200),
    ("application/json;charset=utf-8", 200), ("APPLICATION/JSON", 200),
    ("text/html", 406), ("application/json;q=0", 406), ("application/xml, image/*", 406),
    ("text/html,application/json;q=0.0", 406)])
def test_accept(api, accept, status):
    api.get("/health", headers={"Accept": accept}).expect(status)


@pytest.mark.parametrize("kind, status", [
    ("application/json", 201), ("application/json; charset=utf-8", 201),
    ("APPLICATION/JSON", 201), ("application/json;charset=\"UTF-8\"", 201),
    ("application/json;charset=latin-1", 201),  # no parameter changes what JSON is
    (None, 415),  # a page of another site could send it so
    ("", 415), ("text/plain", 415), ("text/json", 415), ("application/jsonp", 415),
    ("multipart/form-data; boundary=x", 415), ("application/x-www-form-urlencoded", 415)])
def test_media_types(user, doctor, kind, status):
    import json
    answer = user.post("/appointments", body=json.dumps(booking(doctor)).encode(),
                       headers={"Content-Type": kind})
    answer.expect(status)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "x-unknown"])
def test_compressed_bodies_are_refused(user, coding):
    user.post("/appointments", body=b"\x1f\x8b\x08",
              headers={"Content-Type": "application/json", "Content-Encoding": coding}) \
        .expect(415)


# --- size ------------------------------------------------------------------------------------

BIG = 10 * 1024 * 1024


def test_ten_megabytes_are_refused(user):
    answer = user.post("/appointments", body=b'{"notes": "' + b"x" * BIG + b'"}',
                       headers={"Content-Type": "application/json"})
    answer.expect(413, "PAYLOAD_TOO_LARGE")


def test_ten_megabytes_are_refused_before_they_are_sent(httpd, api):
    answer = raw.send(httpd, raw.request(
        "POST", "/api/appointments",
        [("Content-Type", "application/json"), ("Content-Length", BIG),
         ("Expect", "100-continue"), ("Authorization", f"Bearer {tokens.token()}")]))
    answer.expect(413)
    api.check(answer)


def test_ten_megabytes_in_chunks_are_refused(httpd, api):
    with socket.create_connection(("127.0.0.1", httpd.port), 10) as connection:
        connection.sendall(raw.request(
            "POST", "/api/appointments",
            [("Content-Type", "application/json"), ("Transfer-Encoding", "chunked"),
             ("Authorization", f"Bearer {tokens.token()}")]))
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        sent = 0
        try:
            for sent in range(BIG // 0x10000):
                connection.sendall(chunk)
            connection.sendall(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        connection.settimeout(10)
        try:
            start = connection.recv(4096)
        except ConnectionResetError:
            return  # the server hung up while we were still sending
    assert start.startswith(b"HTTP/1.1 413 "), start[:200]


def test_a_body_of_the_allowed_size_is_read(user, doctor):
    user.post("/appointments", booking(doctor, notes="n" * 1500)).expect(201)


# --- identity --------------------------------------------------------------------------------

@pytest.mark.parametrize("claims, status", [
    ({"exp": 1_700_000_000}, {401}),
    ({"exp": None}, {401}),
    ({"nbf": 4_000_000_000}, {401, 403}),
    ({"iss": "https://evil.example"}, {401, 403}),
    ({"iss": None}, {401, 403}),
    ({"iss": "https://idp.example "}, {401, 403}),
    ({"aud": "something-else"}, {401, 403}),
    ({"aud": " booking-api"}, {401, 403}),
    ({"aud": None}, {401, 403}),
    ({"aud": ["something-else"]}, {401, 403}),
    ({"sub": None}, {401}),
    ({"sub": ""}, {401, 403}),
])
def test_tokens_that_do_not_hold(httpd, api, doctor, claims, status):
    httpd.allow_log(r"oauth2:|authz_core:")
    bad = api.with_token(tokens.make("admin", **{"sub": "admin-1", **claims}))
    bad.get(f"/practitioners/{doctor}/schedules").expect(status)


@pytest.mark.parametrize("claims", [{"nbf": 1_700_000_000}, {"aud": ["x", "booking-api"]},
                                    {"email": "somebody.claims@canary.example"}])
def test_tokens_that_hold(api, httpd, doctor, claims):
    httpd.allow_log(r"authz_core:")
    answer = api.with_token(tokens.make("admin", "admin-1", **claims)) \
                .get(f"/practitioners/{doctor}/schedules")
    answer.expect(200)


@pytest.mark.parametrize("header", [
    "Bearer", "Bearer ", "Bearer a.b.c", "Basic dXNlcjpwYXNz", "bearer", "Token abc",
    "Bearer " + "x" * 6000])
def test_headers_that_are_no_token(httpd, api, doctor, header):
    httpd.allow_log(r"oauth2:|authz_core:|AH01")
    api.get(f"/practitioners/{doctor}/schedules", headers={"Authorization": header}) \
       .expect(401)


def unsigned():
    import jwt
    return jwt.encode({"iss": tokens.ISSUER, "aud": tokens.AUDIENCE, "sub": "admin-1",
                       "role": "admin", "exp": 4_000_000_000}, None, algorithm="none")


@pytest.mark.parametrize("make", [unsigned,
                                  lambda: tokens.make("admin", secret="x" * 40)])
def test_tokens_that_nobody_signed(httpd, api, doctor, make):
    httpd.allow_log(r"oauth2:|authz_core:")
    api.with_token(make()).get(f"/practitioners/{doctor}/schedules").expect(401)


FORGED = [
    {"OAUTH2_CLAIM_role": "admin", "OAUTH2_CLAIM_sub": "admin-1"},
    {"Oauth2-Claim-Role": "admin", "Oauth2-Claim-Sub": "admin-1"},
    {"X-Remote-User": "admin-1", "X-Role": "admin", "Remote-User": "admin-1"},
    {"OIDC_CLAIM_role": "admin", "X-Forwarded-User": "admin-1"},
    {"X-Plant": "admin"},
    {"X-Plant-User": "admin-1", "X-Plant": "admin"},
]


@pytest.mark.parametrize("headers", FORGED, ids=lambda headers: "+".join(headers))
def test_claims_are_not_taken_from_headers_or_variables(api, db, doctor, headers):
    path = f"/practitioners/{doctor}/schedules"
    api.get(path, headers=headers).expect(401)
    api.as_client("plain").get(path, headers=headers).expect(403)
    api.as_user("plain").get(path, headers=headers).expect(403)
    body = booking(doctor, userId="somebody-else")
    api.as_client("plain").post("/appointments", body, headers=headers).expect(403)


# --- where an error comes from does not matter -----------------------------------------------

@pytest.mark.parametrize("data, status", [
    (b"GET /api/health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    (b"GET /api/health HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    (b"GET /api/he\x00alth HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET /api/%zz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 400),
    (b"GET /api/%00 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 404),
    (b"GET /api/a%2fb HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 404),
    (b"GET /api/health HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 20000 + b"\r\n\r\n", 400),
    (b"GET /api/" + b"y" * 20000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    (b"POST /api/appointments HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n", 400),
    (b"POST /api/appointments HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
    (b"GET /api/x/../%zz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 400),
])
def test_errors_of_apache_itself_have_the_envelope(httpd, api, data, status):
    httpd.allow_log(r"core:error\].* AH\d+")
    answer = raw.send(httpd, data)
    assert answer is not None, "closed without an answer"
    answer.expect({status, 400, 404, 501} if status != 414 else {414})
    if answer.status != 501:
        api.check(answer)


TOKEN_REQUIRED = """
      AuthType oauth2
      AuthName booking
      OAuth2TokenVerify plain {secret} verify.exp=required&expiry=0&verify.cache=tests
      OAuth2TargetPass headers=Off&envvars=On
      Require oauth2_claim iss:{issuer}
"""


@pytest.mark.parametrize("auth, status", [("Require all denied", 403), (TOKEN_REQUIRED, 401)])
def test_refusals_of_apache_have_the_envelope(make_site, auth, status):
    refused = make_site(auth=auth)
    refused.httpd.allow_log(r"AH01630|AH01631|authz_core|oauth2:")
    refused.api.get("/health").expect(status)
    refused.api.post("/appointments", {}).expect(status)


def test_pages_beside_the_api_keep_their_own_errors(api, httpd):
    answer = api.get("//index-that-is-not-there", check=False).expect(404)
    assert answer.headers["Content-Type"].startswith("text/html")


def test_internal_details_are_not_told(api, user, doctor):
    for answer in (user.post("/appointments", booking(doctor, time="14:07")),
                   api.get("/nothing-here"), user.post("/appointments", {})):
        text = answer.content.decode().lower()
        for word in ("sql", "postgres", "constraint", "select ", "src/", "null pointer"):
            assert word not in text, f"{word!r} in {answer}"


@pytest.mark.parametrize("role", [["admin"], ["client", "admin"], ["x", "admin", "therapist"]])
def test_of_several_roles_the_highest_counts(api, doctor, role):
    api.with_token(tokens.make(role, "has-several")).get(f"/practitioners/{doctor}/schedules") \
       .expect(200)


@pytest.mark.parametrize("role", ["Admin", "ADMIN", "admin ", ["Admin"], [["admin"]], [],
                                  [{"role": "admin"}], {"admin": True}, True, 1, "admin,client",
                                  '["admin"', "administrator"])
def test_what_only_looks_like_a_role_is_none(api, httpd, doctor, role):
    httpd.allow_log(r"authz_core:")
    someone = api.with_token(tokens.make(role, "looks-like-admin"))
    someone.get(f"/practitioners/{doctor}/schedules").expect(403)
    someone.delete(f"/practitioners/{doctor}").expect(403)


def test_our_own_mistakes_are_500_and_logged_with_their_id(api, db, httpd, user, doctor):
    """A name that does not open any more: damaged, or sealed with a key that is gone."""
    identity = user.post("/appointments", booking(doctor, userName="Unsealed Person")) \
                   .expect(201)["appointmentId"]
    db.sql("UPDATE appointments SET client_name_sealed = '\\x00010203' WHERE id = %s",
           (identity,))
    httpd.allow_log(r"booking:error")
    answer = user.get(f"/appointments/{identity}").expect(500, "INTERNAL")
    assert answer["requestId"] in httpd.log_text(), "the log does not know the requestId"


def test_a_database_without_tables_says_so(make_site, cluster):
    bare = make_site(database=cluster.create_empty())
    bare.httpd.allow_log(r"booking:(error|warn)")
    health = bare.api.get("/health", check=False).expect(503)
    assert (health["migration"], health["expectedMigration"] > 0) == (0, True)
    bare.api.get("/practitioners").expect((500, 503))


def test_the_clock_of_tests_is_off_unless_it_is_on(make_site):
    import datetime
    real = make_site(now=None, env={"BOOKING_NOW": "2025-06-01T08:00:00Z"})
    told = datetime.datetime.fromisoformat(
        real.api.get("/health").expect(200)["time"].replace("Z", "+00:00"))
    now = datetime.datetime.now(datetime.timezone.utc)
    assert abs((now - told).total_seconds()) < 5
