"""Internal redirects, error documents and statuses of Apache's own: neither do they make somebody
more than they are, nor do they put a page in the envelope's place."""
import base64
import hashlib
import os

import pytest

from harness import contract, raw, seed

FRIDAY = "2025-06-20"


# --- claims planted in an .htaccess ----------------------------------------------------------

# Who somebody is, a password says; nothing says what they may do, so it is the database's word.
PASSWORDS = """
      AuthType Basic
      AuthName booking
      AuthUserFile conf/people
      Require valid-user
"""
# Issuer and audience are not looked at: a planted role would be all it takes.
LENIENT = """
  BookingKey {key_id} file:{key_file}
  BookingTestClock {test_clock}
"""
PLANTED = """
SetEnvIf Request_URI . OAUTH2_CLAIM_role=admin OAUTH2_CLAIM_sub=admin-1
SetEnvIf Request_URI . OAUTH2_CLAIM_exp=9999999999 REMOTE_USER=admin-1
"""
RULES = "RewriteEngine On\nRewriteRule ^backdoor/(.*)$ /api/$1 [L]\n"
HALLWAY = """
RewriteEngine On
RewriteRule ^backdoor/(.*)$ /hallway/$1 [L]
RewriteRule ^hallway/(.*)$ /api/$1 [L]
"""
VARIABLES = "RewriteEngine On\nRewriteRule ^backdoor/(.*)$ /api/$1 [L,E=OAUTH2_CLAIM_role:admin]\n"
HTACCESS = {"a redirect": PLANTED + RULES, "two redirects": PLANTED + HALLWAY,
            "a rule's variable": VARIABLES, "both": PLANTED + VARIABLES}


@pytest.fixture(scope="module")
def site_options():
    # The .htaccess says where the API stands; authentication is the server's.
    return {"prefix": "/", "engine_on": "", "allow_override": "All", "booking_conf": LENIENT,
            "auth": PASSWORDS, "modules": ("auth_basic", "authn_file", "authz_user")}


@pytest.fixture
def people(site, clock):
    """One client, who knows a password."""
    digest = base64.b64encode(hashlib.sha1(b"secret").digest()).decode()
    path = site.httpd.root / "conf" / "people"
    path.write_text(f"plain:{{SHA}}{digest}\n")
    os.chmod(path, 0o644)
    site.httpd.allow_log(r"auth_basic:|AH0161")


PLAIN = {"Authorization": "Basic " + base64.b64encode(b"plain:secret").decode()}


def write(site, name, text):
    path = site.httpd.docroot / name
    path.write_text(text)
    os.chmod(path, 0o644)


def protected(doctor):
    """Routes for the practice and for administrators."""
    return [("GET", f"/practitioners/{doctor}/schedules", None),
            ("PUT", f"/practitioners/{doctor}", {"name": "Dr. Taken Over"}),
            ("DELETE", f"/practitioners/{doctor}", None),
            ("POST", "/practitioners", {"name": "Dr. Backdoor"})]


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("how", HTACCESS)
def test_planted_claims_do_not_come_through_a_redirect(site, db, how):
    write(site, ".htaccess", "BookingEngine On\n" + HTACCESS[how])
    doctor = seed.practitioner(db, name="Dr. Untouched")
    ask = site.api.anonymous().request
    for prefix in ("//backdoor", "//api"):
        ask("GET", f"{prefix}/practitioners/{doctor}", headers=PLAIN).expect(200)
        for method, path, body in protected(doctor):
            ask(method, prefix + path, json=body, headers=PLAIN).expect(403, "FORBIDDEN")
        ask("POST", f"{prefix}/appointments", json={
            "practitionerId": doctor, "date": FRIDAY, "time": "14:00", "userId": "admin-1"},
            headers=PLAIN).expect(403)
    assert db.one("SELECT name, active FROM practitioners WHERE id = %s", (doctor,)) \
        == {"name": "Dr. Untouched", "active": True}


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("how", HTACCESS)
def test_a_redirect_does_not_make_up_a_user(site, db, how):
    write(site, ".htaccess", "BookingEngine On\n" + HTACCESS[how])
    doctor = seed.practitioner(db)
    for prefix in ("//backdoor", "//api"):
        for method, path, body in protected(doctor):
            site.api.anonymous().request(method, prefix + path, json=body,
                                         check=False).expect(401)


def test_a_token_is_worth_no_more_after_a_redirect(make_site):
    tokens = make_site(prefix="/", engine_on="", allow_override="All", booking_conf=LENIENT)
    tokens.httpd.allow_log(r"authz_core:|oauth2:")
    doctor = seed.practitioner(tokens.db)
    for text in HTACCESS.values():
        write(tokens, ".htaccess", "BookingEngine On\n" + text)
        for identity in (tokens.api.as_client("plain"), tokens.api.as_user("plain")):
            for method, path, body in protected(doctor):
                identity.request(method, "//backdoor" + path, json=body).expect((401, 403))
                identity.request(method, "//api" + path, json=body).expect(403)


# --- error documents and rules of the site ---------------------------------------------------

PAGE = "<!doctype html><title>The site's own words</title>\n"
STATUSES = [400, 401, 402, 403, 404, 405, 406, 408, 409, 410, 411, 412, 413, 414, 415, 417, 421,
            429, 431, 451, 500, 501, 502, 503, 504, 505]
RULED = [402, 403, 404, 409, 410, 411, 412, 417, 421, 431, 451, 500, 501, 502, 503, 504, 505]


@pytest.fixture(scope="module")
def furnished(make_site):
    """A site with a page for every error, and rules that refuse some of the API's addresses."""
    documents = "".join(f"  ErrorDocument {status} /error.html\n" for status in STATUSES)
    rules = "".join(f"  RewriteRule ^/(api/)?ruled-{status}$ - [R={status}]\n"
                    for status in RULED)
    site = make_site(vhost_conf=documents + "  RewriteEngine On\n" + rules
                     + "  RewriteRule ^/(api/practitioners|pages)/666$ - [F]\n")
    write(site, "error.html", PAGE)
    return site


def check_envelope(answer):
    """Also where no code of the table belongs to the status."""
    assert answer.headers.get("Content-Type", "").startswith("application/json"), str(answer)
    body = answer.body
    assert body["statusCode"] == answer.status, str(answer)
    assert body["code"] in contract.ERRORS and body["success"] is False
    assert body["error"] == body["message"] != "" and body["requestId"]


def test_a_rule_that_forbids_gives_the_envelope_and_not_the_sites_page(furnished):
    answer = furnished.api.get("/practitioners/666").expect(403, "FORBIDDEN")
    assert PAGE.encode() not in answer.content
    page = furnished.api.get("//pages/666", check=False).expect(403)
    assert page.content == PAGE.encode()


@pytest.mark.parametrize("status", RULED)
def test_every_status_of_a_rule_has_the_envelope(furnished, status):
    answer = furnished.api.get(f"/ruled-{status}", check=False).expect(status)
    check_envelope(answer)
    if status == 503:
        assert int(answer.headers["Retry-After"]) > 0
    page = furnished.api.get(f"//ruled-{status}", check=False).expect(status)
    assert page.content == PAGE.encode()


UNREADABLE = [
    ([("Expect", "nonsense")], (417,)),
    ([("Transfer-Encoding", "gzip")], (400, 501)),
    ([("Content-Length", "-5")], (400,)),
    ([("Content-Length", "1"), ("Content-Length", "2")], (400,))]


def unreadable(site, headers):
    site.httpd.allow_log(r"core:error|AH\d+")
    answer = raw.send(site.httpd, raw.request("POST", "/api/appointments", [
        ("Content-Type", "application/json"), *headers]))
    assert answer is not None, "closed without an answer"
    return answer


@pytest.fixture(scope="module")
def plain(make_site):
    return make_site()


@pytest.mark.parametrize("headers, statuses", UNREADABLE)
def test_statuses_of_apache_itself_have_the_envelope(plain, headers, statuses):
    check_envelope(unreadable(plain, headers).expect(statuses))


@pytest.mark.parametrize("headers, statuses", UNREADABLE)
def test_what_apache_cannot_read_does_not_get_the_sites_page(furnished, headers, statuses):
    check_envelope(unreadable(furnished, headers).expect(statuses))
