"""conf/sites/bearer.conf: bearer tokens, guests, and CORS."""
import base64
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

import sites
from harness import seed
from sites import FOREIGN, ORIGIN

INSIDE = sites.include("database.conf", "bearer.conf")


@pytest.fixture(scope="module")
def db(cluster):
    return cluster.create()


@pytest.fixture(scope="module")
def server(db):
    server = sites.Server(head=sites.bearer(db, BK_JWK_NEXT=sites.jwk("next")), inside=INSIDE,
                          modules=sites.BEARER)
    server.write()
    server.start()
    yield server
    server.destroy()


@pytest.fixture(scope="module")
def practitioner(db):
    return seed.practitioner(db, user_id="therapist-1")


def forged(payload_role="admin"):
    """Signed by another key that claims to be the provider's."""
    return sites.token(payload_role, key="attacker", kid="idp")


def unsigned():
    parts = [{"alg": "none", "typ": "JWT"},
             {"iss": sites.ISSUER, "aud": sites.AUDIENCE, "sub": "admin-1", "role": "admin",
              "exp": int(time.time()) + 600}]
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
                    for part in parts) + "."


def keyed_with_the_public_key():
    """HS256 with the provider's public key as the secret."""
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"idp","typ":"JWT"}').decode().rstrip("=")
    body = sites.token("admin").split(".")[1]
    signed = f"{head}.{body}"
    mac = hmac.new(sites.public_pem("idp"), signed.encode(), "sha256").digest()
    return signed + "." + base64.urlsafe_b64encode(mac).decode().rstrip("=")


def test_the_configuration_is_valid(server):
    status, text = server.check()
    assert status == 0, text


# --- roles -----------------------------------------------------------------------------------

@pytest.mark.parametrize("method,path,anonymous,client,therapist,admin", [
    ("GET", "/api/health", 200, 200, 200, 200),
    ("GET", "/api/practitioners", 200, 200, 200, 200),
    ("GET", "/api/practitioners/{id}/schedules", 401, 403, 200, 200),
    ("GET", "/api/users/user-1/appointments", 401, 200, 200, 200),
    ("POST", "/api/appointments", 401, 400, 400, 400),
])
def test_roles(server, practitioner, method, path, anonymous, client, therapist, admin):
    path = path.format(id=practitioner)
    body = {} if method == "POST" else None
    who = {None: anonymous, ("client", "user-1"): client,
           ("therapist", "therapist-1"): therapist, ("admin", "admin-1"): admin}
    for identity, status in who.items():
        bearer = sites.token(*identity) if identity else None
        server.ask(method, path, token=bearer, body=body).expect(status)


def test_a_practitioner_without_a_role_claim_is_a_therapist(server, practitioner):
    server.get(f"/api/practitioners/{practitioner}/schedules",
               token=sites.token(None, "therapist-1")).expect(200)
    server.get(f"/api/practitioners/{practitioner}/schedules",
               token=sites.token(None, "somebody")).expect(403)


def test_the_next_key_is_good_already(server):
    server.get("/api/users/user-1/appointments", token=sites.token(key="next")).expect(200)


# --- bad tokens ------------------------------------------------------------------------------

BAD = {
    "expired": lambda: sites.token("admin", exp=int(time.time()) - 60),
    "without exp": lambda: sites.token("admin", exp=None),
    "not yet valid": lambda: sites.token("admin", nbf=int(time.time()) + 300),
    "wrong issuer": lambda: sites.token("admin", iss="https://idp.example"),
    "no issuer": lambda: sites.token("admin", iss=None),
    "wrong audience": lambda: sites.token("admin", aud="other-api"),
    "no audience": lambda: sites.token("admin", aud=None),
    # mod_oauth2 compares without regard to blanks.
    "audience with blanks": lambda: sites.token("admin", aud="booking-  api"),
    "forged": forged,
    "alg none": unsigned,
    "public key as secret": keyed_with_the_public_key,
    "tampered": lambda: sites.token("client")[:-60] + "A" * 60,
    "garbage": lambda: "garbage",
    "no subject": lambda: sites.token("admin", sub=None),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("method,path", [("GET", "/api/practitioners"),
                                         ("GET", "/api/users/user-1/appointments"),
                                         ("DELETE", "/api/practitioners/1")])
def test_a_bad_token_is_refused_everywhere(server, kind, method, path):
    """Even where a guest may go: whoever sends a token means to be somebody."""
    server.ask(method, path, token=BAD[kind]()).expect((401, 403))


def test_a_list_of_audiences_that_names_ours_is_good(server):
    bearer = sites.token(aud=["https://idp.example/userinfo", sites.AUDIENCE])
    server.get("/api/users/user-1/appointments", token=bearer).expect(200)


def test_basic_credentials_are_no_token(server):
    server.get("/api/practitioners", headers={"Authorization": "Basic YTpi"}).expect(401)


def test_a_token_in_the_query_or_in_a_cookie_is_not_looked_at(server):
    bearer = sites.token("client")
    for path, headers in ((f"?access_token={bearer}", {}),
                          ("", {"Cookie": f"access_token={bearer}"})):
        server.get("/api/users/user-1/appointments" + path, headers=headers).expect(401)


def test_a_token_ends_on_time(server):
    bearer = sites.token(exp=int(time.time()) + 2)
    server.get("/api/users/user-1/appointments", token=bearer).expect(200)
    time.sleep(3.2)  # whole seconds, and the one of exp itself may still be good
    server.get("/api/users/user-1/appointments", token=bearer).expect(401)


def test_claims_as_headers_do_not_help(server, practitioner):
    planted = {"OAUTH2_CLAIM_sub": "admin-1", "OAUTH2_CLAIM_role": "admin",
               "OAUTH2-CLAIM-role": "admin", "X-Remote-User": "admin-1"}
    path = f"/api/practitioners/{practitioner}/schedules"
    server.get(path, headers=planted).expect(401)
    server.get(path, headers=planted, token=sites.token("client")).expect(403)


@pytest.mark.parametrize("path", ["//api/users/user-1/appointments",
                                  "/api//users/user-1/appointments",
                                  "/api/./users/user-1/appointments",
                                  "/api/health/../users/user-1/appointments",
                                  "/%61pi/users/user-1/appointments"])
def test_other_spellings_of_a_path_are_no_way_around(server, path):
    server.get(path).expect(401)


# --- CORS ------------------------------------------------------------------------------------

PREFLIGHT = {"Access-Control-Request-Method": "POST",
             "Access-Control-Request-Headers": "authorization,content-type,idempotency-key"}


def test_preflight_needs_no_token(server):
    answer = server.ask("OPTIONS", "/api/appointments",
                        headers={"Origin": ORIGIN, **PREFLIGHT}).expect(204)
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    allowed = answer.headers["Access-Control-Allow-Headers"].lower()
    for name in ("authorization", "content-type", "idempotency-key", "if-match"):
        assert name in allowed
    assert answer.headers["Access-Control-Max-Age"] == "600"
    assert "Origin" in answer.headers["Vary"]


@pytest.mark.parametrize("origin", [FOREIGN, "https://wwwxclinic.example", "null",
                                    "http://www.clinic.example", "https://WWW.clinic.example",
                                    "https://www.clinic.example:8443", ""])
@pytest.mark.parametrize("method", ["OPTIONS", "GET"])
def test_a_foreign_origin_gets_no_cors_headers(server, method, origin):
    headers = {"Origin": origin, **(PREFLIGHT if method == "OPTIONS" else {})}
    answer = server.ask(method, "/api/practitioners", headers=headers).expect((200, 204))
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
    assert "Origin" in answer.headers["Vary"]


@pytest.mark.parametrize("path,bearer,status", [
    ("/api/users/user-1/appointments", None, 401),
    ("/api/users/user-1/appointments", "garbage", 401),
    ("/api/nothing/here", None, 404),
    ("/api/practitioners", None, 200),
])
def test_errors_carry_the_headers_too(server, path, bearer, status):
    answer = server.get(path, token=bearer, headers={"Origin": ORIGIN}).expect(status)
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Methods" not in answer.headers


def test_credentials_are_not_allowed_across_origins(server):
    """Bearer tokens do not need them, and cookies shall not work across origins."""
    answer = server.ask("OPTIONS", "/api/appointments", headers={"Origin": ORIGIN, **PREFLIGHT})
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_options_without_a_preflight_is_the_modules(server):
    answer = server.ask("OPTIONS", "/api/practitioners").expect((200, 204))
    assert "GET" in answer.headers["Allow"]


# --- other ways to bring the key -------------------------------------------------------------

def test_a_token_of_one_clinic_is_not_good_at_another(db):
    """mod_oauth2's shared cache would let it in after its own clinic has seen it once."""
    other = "\n".join([
        sites.define(BK_API="/b/api", BK_TENANT="b", BK_JWK=sites.jwk("b"),
                     BK_ISSUER="https://b.example/", BK_AUDIENCE="b-api"),
        sites.include("bearer.conf")])
    server = sites.Server(head=sites.bearer(db, BK_TENANT="a"), inside=INSIDE + "\n" + other,
                          modules=sites.BEARER)
    server.start()
    try:
        ours = sites.token("admin", "admin-1")
        # Same issuer and audience as ours, other key: only the signature is in the way.
        theirs = sites.token("admin", "admin-1", key="b")
        for _ in range(2):
            server.get("/api/users/user-1/appointments", token=ours).expect(200)
            server.get("/b/api/users/user-1/appointments", token=ours).expect((401, 403))
            server.get("/b/api/users/user-1/appointments", token=theirs).expect((401, 403))
            server.get("/api/users/user-1/appointments", token=theirs).expect(401)
        at_b = sites.token("admin", "admin-1", key="b", iss="https://b.example/", aud="b-api")
        server.get("/b/api/users/user-1/appointments", token=at_b).expect(200)
        server.get("/api/users/user-1/appointments", token=at_b).expect((401, 403))
    finally:
        server.destroy()


def test_the_next_clinic_inherits_nobodys_keys(db):
    """What one clinic trusts, the clinic that is included after it must say for itself."""
    def check(**second):
        server = sites.Server(
            head=sites.bearer(db, BK_SECRET="0123456789abcdef0123456789abcdef"),
            inside="\n".join([INSIDE, sites.define(BK_API="/b/api", **second),
                              sites.include("bearer.conf")]), modules=sites.BEARER)
        try:
            return server.write().check()
        finally:
            server.destroy()
    status, text = check(BK_ISSUER="https://b.example/")
    assert status != 0 and "BK_JWK" in text, text
    status, text = check(BK_JWK=sites.jwk("b"))
    assert status != 0 and "BK_ISSUER" in text, text
    status, text = check(BK_ISSUER="https://b.example/", BK_JWK=sites.jwk("b"))
    assert status == 0, text


def test_shared_secret(db):
    secret = "0123456789abcdef0123456789abcdef"
    server = sites.Server(head=sites.bearer(db, BK_JWK=None, BK_SECRET=secret), inside=INSIDE,
                          modules=sites.BEARER)
    server.start()
    try:
        good = sites.token(algorithm="HS256", secret=secret)
        server.get("/api/users/user-1/appointments", token=good).expect(200)
        bad = sites.token(algorithm="HS256", secret=secret[::-1])
        server.get("/api/users/user-1/appointments", token=bad).expect(401)
    finally:
        server.destroy()


def test_key_set_from_the_provider(db):
    class KeySet(BaseHTTPRequestHandler):
        def do_GET(self):
            text = ('{"keys":[%s]}' % sites.jwk("idp")).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    provider = HTTPServer(("127.0.0.1", 0), KeySet)
    threading.Thread(target=provider.serve_forever, daemon=True).start()
    server = sites.Server(
        head=sites.bearer(db, BK_JWK=None,
                     BK_JWKS_URI=f"http://127.0.0.1:{provider.server_port}/keys"),
        inside=INSIDE, modules=sites.BEARER)
    server.start()
    try:
        server.get("/api/users/user-1/appointments", token=sites.token()).expect(200)
        server.get("/api/users/user-1/appointments", token=forged()).expect(401)
    finally:
        server.destroy()
        provider.shutdown()
        provider.server_close()


@pytest.mark.parametrize("missing", ["BK_ISSUER", "BK_JWK"])
def test_what_must_be_defined_is_asked_for(db, missing):
    server = sites.Server(head=sites.bearer(db, **{missing: None}), inside=INSIDE,
                          modules=sites.BEARER)
    try:
        status, text = server.write().check()
        assert status != 0 and missing in text, text
    finally:
        server.destroy()
