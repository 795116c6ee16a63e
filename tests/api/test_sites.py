"""conf/sites/ put together, conf/booking.conf, and what a hostile or careless configuration
cannot undo. The single files have modules of their own: test_sites_*.py."""
import json
import re
import subprocess

import pytest

import sites
from harness import build, seed
from sites import BEARER, FOREIGN, ORIGIN, STAFF, serve  # noqa: F401

SAME = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture(scope="module")
def db(cluster):
    db = cluster.create()
    sites.install_staff(db)
    sites.add_staff(db, "anna", "anna's password", "therapist")
    return db


@pytest.fixture(scope="module")
def practitioner(db):
    return seed.practitioner(db, user_id="anna")


# --- everything together ---------------------------------------------------------------------

def printed_site(db):
    """The whole site of docs/configuration.md, with the test's addresses and files."""
    text = (build.TOP / "docs" / "configuration.md").read_text()
    block = re.search(r"A whole site:\n\n```apache\n(.*?)```", text, re.S).group(1)
    ours = {"BK_DB": db.dsn(), "BK_JWK": sites.jwk("idp"), "BK_TLS_CERT": "{root}/conf/cert.pem",
            "BK_TLS_KEY": "{root}/conf/key.pem", "SITES": sites.SITES}
    for name, value in ours.items():
        block, count = re.subn(rf"^Define {name} .*$", lambda _: sites.define(**{name: value}),
                               block, flags=re.M)
        assert count == 1, name
    block = block.replace("*:443", "127.0.0.1:{port}").replace("*:80", "127.0.0.1:{second}") \
                 .replace("/srv/www", "{docroot}")
    return "\n".join([
        "SSLSessionCache shmcb:{root}/run/ssl_scache(64000)", "Listen 127.0.0.1:{second}",
        sites.define(BK_KEY="k1 file:{key}", BK_STAFF_SECRET="{root}/conf/session.key",
                     BK_LOG_API="logs/api.json", BK_LOG_PAGES="logs/pages.log",
                     BK_LIMIT_LOGIN=4), block])


@pytest.fixture(scope="module")
def whole(db):
    server = sites.Server(modules=("unique_id", "reqtimeout", "socache_shmcb", "ssl", "http2",
                                   *BEARER, *STAFF))
    server.host_lines = lambda: server.fill(printed_site(db))
    conf = server.root / "conf"
    (conf / "session.key").write_text("5e" * 32)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=www.clinic.example", "-addext",
                    "subjectAltName=DNS:www.clinic.example", "-keyout", conf / "key.pem",
                    "-out", conf / "cert.pem"], check=True, capture_output=True)
    server.allow_log(r"AH01617|AH01807|AH01808|\[qos:", always=True)
    server.allow_log(r"AH01906|AH01909", always=True)  # a certificate signed by itself
    server.start()
    yield server
    server.destroy()


def test_the_whole_site_of_the_documentation_works(whole, practitioner):
    assert whole.check()[0] == 0
    answer = whole.get("/api/practitioners", tls=True, headers={"Origin": ORIGIN}).expect(200)
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert answer.headers["Strict-Transport-Security"] and answer.headers["X-Request-Id"]
    whole.get("/api/users/user-1/appointments", tls=True, token=sites.token()).expect(200)
    whole.get("/api/users/user-1/appointments", tls=True).expect(401)
    whole.ask("GET", "/api/practitioners", second=True, check=False).expect(403)
    whole.ask("GET", "/index.html", second=True).expect(308)

    form = {"Content-Type": "application/x-www-form-urlencoded", **SAME}
    login = whole.ask("POST", "/staff/login", tls=True, headers=form,
                      body=sites.form("anna", "anna's password")).expect(302)
    cookie = {"Cookie": sites.cookie(login)}
    whole.get(f"/staff/api/practitioners/{practitioner}/schedules", tls=True,
              headers=cookie).expect(200)
    whole.ask("DELETE", "/staff/api/practitioners/1", tls=True, headers=cookie).expect(403)
    whole.get("/api/users/anna/appointments", tls=True, headers=cookie).expect(401)

    statuses = [whole.ask("POST", "/staff/login", tls=True, headers=form, check=False,
                          source="127.0.0.61", body=sites.form("anna", "wrong")).status
                for _ in range(5)]
    assert statuses == [401, 401, 401, 429, 429]
    answer = whole.ask("POST", "/staff/login", tls=True, headers=form, check=False,
                       source="127.0.0.61", body=sites.form("anna", "anna's password"))
    assert answer.expect(429)["code"] == "RATE_LIMITED"
    assert 0 < int(answer.headers["Retry-After"]) <= 300

    for line in whole.log_lines("api.json", 10):
        json.loads(line)


def test_every_site_file_is_mentioned_in_the_documentation():
    text = (build.TOP / "docs" / "configuration.md").read_text()
    for path in sites.SITES.iterdir():
        assert path.name in text or path.stem in text, path


@pytest.mark.parametrize("path", sorted(sites.SITES.glob("*.conf")), ids=lambda path: path.name)
def test_what_a_file_uses_it_explains(path):
    """Each Define that may come from outside is listed at the top."""
    text = path.read_text()
    head = text.split("\n\n<", 1)[0]
    for name in sorted(set(re.findall(r"<IfDefine !?(BK_\w+)>", text))):
        assert re.search(rf"\b{name}\b", head), f"{name} is not explained at the top"
    assert "Modules:" in head


@pytest.mark.parametrize("path,needs", [
    ("bearer.conf", "mod_oauth2"), ("bearer.conf", "mod_headers"), ("bearer.conf", "mod_rewrite"),
    ("tls.conf", "mod_ssl"), ("behind-proxy.conf", "mod_remoteip"),
    ("staff-login.conf", "mod_session_dbd"), ("logging.conf", "mod_unique_id"),
    ("limits.conf", "mod_reqtimeout"), ("database.conf", "mod_dbd")])
def test_a_missing_module_is_named(serve, db, path, needs):
    modules = {"remoteip", "socache_shmcb", "ssl", "unique_id", "reqtimeout", *BEARER, *STAFF}
    # What the missing module's own friends need is left out with it.
    gone = {"mod_dbd": {"dbd", "authn_dbd", "session_dbd"}, "mod_rewrite": {"rewrite"}}
    modules -= gone.get(needs, {needs.removeprefix("mod_")})
    order = [name for name in ("socache_shmcb", "remoteip", "unique_id", "reqtimeout", "ssl",
                               *BEARER, *STAFF) if name in modules]
    server = serve(run=False, modules=order, head=sites.bearer(
        db, BK_PROXIES="127.0.0.1", BK_HOST="x.example", BK_STAFF_ORIGIN=ORIGIN), inside="")
    text = server.conf.read_text()
    server.conf.write_text(text + "\n" + sites.include(path) + "\n")
    status, output = server.check()
    assert status != 0 and needs in output, output


# --- the annotated configuration -------------------------------------------------------------

def test_booking_conf_is_a_valid_start(serve, db):
    text = (build.TOP / "conf" / "booking.conf").read_text()
    text = re.sub(r"(?m)^LoadModule .*$", "", text)
    text = re.sub(r"(?m)^DBDParams .*$", f'DBDParams "{db.dsn()}"', text)
    text = text.replace("/etc/apache2/booking.key", "{key}")
    jwk = sites.jwk("idp")
    text = text.replace("""'{"kty":"RSA","kid":"k1","n":"...","e":"AQAB"}'""", f"'{jwk}'")
    server = serve(inside=text, modules=BEARER)
    server.get("/api/health").expect(200)
    server.get("/api/users/user-1/appointments", token=sites.token()).expect(200)
    server.get("/api/users/user-1/appointments", token=sites.token(aud="other")).expect((401, 403))


# --- what configurations cannot undo ---------------------------------------------------------

PLANTED = """
SetEnvIf Request_URI . OAUTH2_CLAIM_role=admin OAUTH2_CLAIM_sub=admin-1 REMOTE_USER=admin-1
SetEnv OAUTH2_CLAIM_role admin
RewriteRule ^ - [E=OAUTH2_CLAIM_role:admin,E=OAUTH2_CLAIM_sub:admin-1,E=OAUTH2_CLAIM_exp:9999999999]
<Location /api>
  SetEnvIf Request_URI . OAUTH2_CLAIM_role=admin OAUTH2_CLAIM_sub=admin-1
  SetEnvIfExpr "true" OAUTH2_CLAIM_role=admin
  SetEnv OAUTH2_CLAIM_role admin
  SetEnv OAUTH2_CLAIM_iss https://idp.example/
</Location>
"""
GUARDED = """
<LocationMatch "^/api/practitioners/[^/]+/(schedules|overrides)(/|$)">
  AuthMerging And
  Require booking-role therapist admin
</LocationMatch>
"""


def test_planted_claims_do_not_help(serve, db, practitioner):
    server = serve(head=sites.bearer(db), modules=(*BEARER, "env"), inside="\n".join([
        sites.include("database.conf", "bearer.conf"), GUARDED, PLANTED]))
    hours = f"/api/practitioners/{practitioner}/schedules"
    for _ in range(2):
        server.get(hours).expect(401)
        server.get("/api/users/admin-1/appointments").expect(401)
        server.get(hours, token=sites.token("client")).expect(403)
        server.get(hours, token=sites.token(None, "somebody")).expect(403)
        server.ask("DELETE", "/api/practitioners/99999", token=sites.token("client")).expect(403)
        server.ask("DELETE", "/api/practitioners/99999",
                   token=sites.token(None, "anna")).expect(403)
        server.get(hours, token=sites.token("admin", "admin-1", iss=None)).expect((401, 403))
    server.ask("DELETE", "/api/practitioners/99999", token=sites.token("admin", "x")).expect(404)


def test_access_for_everybody_is_access_for_nobody_in_particular(serve, db, practitioner):
    """httpd skips authentication then: whoever comes is a guest, whatever they send."""
    server = serve(head=sites.bearer(db), modules=BEARER, inside="\n".join([
        sites.include("database.conf", "bearer.conf"),
        '<Location /api>\n<If "true">\nRequire all granted\n</If>\n</Location>']))
    hours = f"/api/practitioners/{practitioner}/schedules"
    server.get(hours).expect(401)
    forged = sites.token("admin", key="attacker", kid="idp")
    server.get(hours, token=forged).expect(401)
    server.get("/api/practitioners").expect(200)


def test_require_booking_role(serve, db, practitioner):
    server = serve(head=sites.bearer(db), modules=BEARER, inside="\n".join([
        sites.include("database.conf", "bearer.conf"), GUARDED,
        "<Location /api/practitioners/77>\nAuthMerging And\nRequire booking-role admin\n"
        "</Location>"]))
    hours = f"/api/practitioners/{practitioner}/schedules"
    server.get(hours).expect(401)
    server.get(hours, token=sites.token("client")).expect(403)
    server.get(hours, token=sites.token("therapist", "anna")).expect(200)
    server.get(hours, token=sites.token("admin", "a")).expect(200)
    server.get(hours, token=sites.token("admin", "a", aud="other")).expect((401, 403))
    server.get(hours, token=sites.token("root", "a")).expect(403)
    server.get("/api/practitioners/77").expect(401)
    server.get("/api/practitioners/77", token=sites.token("therapist", "anna")).expect(403)
    server.get("/api/practitioners/77", token=sites.token("admin", "a")).expect(404)
    # A preflight passes all the same.
    server.ask("OPTIONS", hours, headers={"Origin": ORIGIN,
                                          "Access-Control-Request-Method": "GET"}).expect(204)
    assert "Access-Control-Allow-Origin" not in server.get(
        hours, headers={"Origin": FOREIGN}).expect(401).headers


def test_require_booking_role_counts_a_practitioner_without_a_claim(serve, db, practitioner):
    """The role that the database knows."""
    server = serve(head=sites.bearer(db), modules=BEARER, inside="\n".join([
        sites.include("database.conf", "bearer.conf"), GUARDED]))
    hours = f"/api/practitioners/{practitioner}/schedules"
    server.get(hours, token=sites.token(None, "anna")).expect(200)


def test_require_booking_role_says_at_start_what_it_does_not_know(serve, db):
    server = serve(run=False, head=sites.bearer(db), modules=BEARER, inside="\n".join([
        sites.include("database.conf", "bearer.conf"),
        "<Location /api/x>\nRequire booking-role nurse\n</Location>"]))
    status, output = server.check()
    assert status != 0 and "nurse" in output, output


def test_htaccess_may_not_decide_who_somebody_is(serve, db):
    server = serve(head=sites.bearer(db), modules=BEARER, allow_override="All",
                   inside=sites.include("database.conf", "bearer.conf"))
    server.allow_log("not allowed here|AH0052[0-9]")
    htaccess = server.docroot / ".htaccess"
    for directive in ("BookingKey k1 env:X", "BookingDBMax 5", "BookingIssuer x",
                      "BookingAudience x", "BookingRoleEnv X", "BookingIdentityPrefix X_",
                      "BookingGuests On", "BookingPublicURL http://x", "BookingTestClock On",
                      "BookingBodyLimit 2000", "BookingManageTTL 999", "BookingDBWait 1",
                      "BookingDBPrepare Off", "BookingPublicAvailability Off"):
        htaccess.write_text(directive + "\n")
        assert server.ask("GET", "/index.html", check=False).status == 500, directive
    htaccess.write_text("BookingRoutes -schedules\n")
    server.ask("GET", "/index.html").expect(200)


# --- .htaccess -------------------------------------------------------------------------------

EXAMPLE = build.TOP / "conf" / "htaccess.example"
WORDPRESS = """
RewriteEngine On
RewriteRule .* - [E=HTTP_AUTHORIZATION:%{HTTP:Authorization}]
RewriteBase /
RewriteRule ^index\\.html$ - [L]
RewriteCond %{REQUEST_FILENAME} !-f
RewriteCond %{REQUEST_FILENAME} !-d
RewriteRule . /index.html [L]
"""


def hosted(serve, db, htaccess, allow="FileInfo", extra=""):
    """A site whose .htaccess has *htaccess* above what WordPress writes."""
    server = serve(head=sites.bearer(db, BK_HTACCESS=1), modules=(*BEARER, "env"),
                   allow_override=allow,
                   inside=sites.include("database.conf", "bearer.conf") + "\n" + extra)
    (server.docroot / ".htaccess").write_text(htaccess + WORDPRESS)
    return server


TIGHT = ("None\nAllowOverrideList BookingEngine BookingRoutes RewriteEngine RewriteRule "
         "RewriteCond RewriteBase")


@pytest.mark.parametrize("allow", ["FileInfo", "All", TIGHT])
def test_the_example_works_next_to_wordpress(serve, db, practitioner, allow):
    server = hosted(serve, db, EXAMPLE.read_text(), allow)
    assert b"page" in server.ask("GET", "/some/post/").expect(200).content
    assert server.get("/api/practitioners").expect(200)["practitioners"]
    assert server.get(f"/api/practitioners/{practitioner}").expect(200)["id"] == practitioner
    server.get("/api/users/user-1/appointments").expect(401)
    server.get("/api/users/user-1/appointments", token=sites.token()).expect(200)
    server.get("/api/users/user-1/appointments", token="garbage").expect(401)
    server.ask("POST", "/api/appointments", token=sites.token(), body={}).expect(400)
    server.get("/api/nothing/here").expect(404)
    # What the file switches off.
    server.get(f"/api/practitioners/{practitioner}/schedules",
               token=sites.token("admin", "a")).expect(404)


def test_in_a_folder_the_api_begins_below_it(serve, db):
    server = hosted(serve, db, "")
    (server.docroot / "clinic").mkdir()
    (server.docroot / "clinic" / ".htaccess").write_text("BookingEngine On\n")
    assert server.get("/clinic/api/practitioners").expect(200)["practitioners"] is not None
    assert b"page" in server.ask("GET", "/api/practitioners").expect(200).content


def test_without_bookingengine_the_page_answers(serve, db):
    server = hosted(serve, db, "# nothing\n")
    assert b"page" in server.ask("GET", "/api/practitioners").expect(200).content


def test_a_hostile_htaccess_gives_nobody_a_role(serve, db, practitioner):
    """Under AllowOverride All: authentication switched off, claims planted."""
    server = hosted(serve, db, """
        BookingEngine On
        SetEnvIf Request_URI . OAUTH2_CLAIM_role=admin OAUTH2_CLAIM_sub=admin-1 REMOTE_USER=admin-1
        SetEnv OAUTH2_CLAIM_role admin
        SetEnv REMOTE_USER admin-1
        RewriteEngine On
        RewriteRule ^ - [E=OAUTH2_CLAIM_role:admin,E=OAUTH2_CLAIM_sub:admin-1]
        <If "true">
          Require all granted
        </If>
        """, "All")
    hours = f"/api/practitioners/{practitioner}/schedules"
    for bearer in (None, sites.token("client"), sites.token("admin", key="attacker", kid="idp")):
        server.get(hours, token=bearer).expect((401, 403))
        server.get("/api/users/admin-1/appointments", token=bearer).expect((401, 403, 404))
        server.ask("DELETE", "/api/practitioners/99999", token=bearer).expect((401, 403))


def test_htaccess_has_no_say_where_a_location_has_the_api(serve, db):
    server = serve(head=sites.bearer(db), modules=BEARER, allow_override="All",
                   inside=sites.include("database.conf", "bearer.conf"))
    (server.docroot / "api").mkdir()
    (server.docroot / ".htaccess").write_text("BookingEngine Off\nBookingRoutes none\n")
    (server.docroot / "api" / ".htaccess").write_text("Require all denied\n")
    server.get("/api/practitioners").expect(200)
    server.get("/api/users/user-1/appointments").expect(401)


def test_the_tight_list_refuses_everything_else(serve, db):
    server = hosted(serve, db, "BookingEngine On\n", TIGHT)
    server.allow_log("not allowed here|AH0052[0-9]")
    server.get("/api/practitioners").expect(200)
    for directive in ("Require all granted", "SetEnvIf Request_URI . X=1", "AuthType None",
                      "BookingGuests On", "Header set X-Y z"):
        (server.docroot / ".htaccess").write_text(f"BookingEngine On\n{directive}\n")
        assert server.get("/api/practitioners", check=False).status == 500, directive


def test_the_two_lists_of_directives_agree():
    table = (build.TOP / "docs" / "configuration.md").read_text()
    conf = (build.TOP / "conf" / "booking.conf").read_text()
    described = set(re.findall(r"^ *# (Booking\w+) ", conf, re.M))
    assert described == set(re.findall(r"^\| `(Booking\w+) ", table, re.M))
    for name in described:
        assert re.search(rf"^ *{name} ", conf, re.M), f"{name} has no line of its own"
