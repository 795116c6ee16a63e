"""conf/sites/staff-login.conf: staff sign in with a form; the session is in the database."""
import concurrent.futures

import pytest

import sites
from harness import seed, wait
from sites import FOREIGN, ORIGIN

MODULES = (*sites.BEARER, *sites.STAFF)
INSIDE = sites.include("database.conf", "bearer.conf", "staff-login.conf")
SAME = {"Sec-Fetch-Site": "same-origin"}
FORM = {"Content-Type": "application/x-www-form-urlencoded", **SAME}
HOME = "/staff/home.html"


@pytest.fixture(scope="module")
def db(cluster):
    db = cluster.create()
    sites.install_staff(db)
    sites.install_staff(db)  # safe to run again
    sites.add_staff(db, "anna", "anna's password", "therapist")
    sites.add_staff(db, "boss", "boss's password", "admin")
    sites.add_staff(db, "gone", "gone's password", "admin", active=False)
    return db


@pytest.fixture(scope="module")
def practitioner(db):
    return seed.practitioner(db, user_id="anna")


@pytest.fixture(scope="module")
def server(db):
    server = sites.Server(
        head=sites.define(BK_DB=db.dsn(), BK_KEY="k1 file:{key}", BK_STAFF_ORIGIN=ORIGIN,
                          BK_STAFF_HOME=HOME, BK_STAFF_SECRET="{root}/conf/session.key",
                          BK_ISSUER=sites.ISSUER, BK_JWK=sites.jwk("idp")),
        inside=INSIDE, modules=MODULES)
    (server.root / "conf" / "session.key").write_text("5e" * 32 + "\n")
    # Refused logins and requests, and one line of mod_session for each cookie it does not know.
    server.allow_log(r"AH01617|AH01618|AH01807|AH01808|AH01811|AH01817",
                     always=True)
    server.start()
    yield server
    server.destroy()


def log_in(server, username="anna", password=None, **headers):
    password = password if password is not None else f"{username}'s password"
    return server.ask("POST", "/staff/login", headers={**FORM, **headers},
                      body=sites.form(username, password), check=False)


@pytest.fixture
def anna(server):
    return {"Cookie": sites.cookie(log_in(server).expect(302))}


@pytest.fixture
def boss(server):
    return {"Cookie": sites.cookie(log_in(server, "boss").expect(302))}


def test_the_configuration_is_valid(server):
    status, text = server.check()
    assert status == 0, text


# --- login -----------------------------------------------------------------------------------

def test_login(server, db):
    answer = log_in(server).expect(302)
    assert answer.headers["Location"].endswith(HOME)
    attributes = [part.strip().lower() for part in answer.headers["Set-Cookie"].split(";")]
    assert attributes[0].startswith("__secure-bk_staff=")
    assert {"path=/staff", "httponly", "secure", "samesite=strict"} <= set(attributes)
    headers = {"Cookie": sites.cookie(answer)}
    server.get("/staff/api/practitioners", headers=headers).expect(200)
    for row in db.sql("SELECT value FROM staff_sessions"):
        assert "anna" not in row["value"] and "password" not in row["value"]


@pytest.mark.parametrize("username,password", [
    ("anna", "wrong"), ("anna", ""), ("Anna", "anna's password"), ("nobody", "anna's password"),
    ("gone", "gone's password"), ("' OR 1=1 --", "x"), ("", "")])
def test_a_wrong_password_is_401(server, username, password):
    answer = log_in(server, username, password).expect(401)
    assert answer["code"] == "UNAUTHENTICATED" and answer["statusCode"] == 401
    assert answer.headers["WWW-Authenticate"] == 'Form realm="staff"'
    headers = {"Cookie": sites.cookie(answer) or "none"}
    server.get("/staff/api/practitioners", headers=headers).expect(401)


def test_the_login_wants_a_post_from_this_origin(server):
    server.get("/staff/login", headers=SAME, check=False).expect(403)
    for headers in ({"Sec-Fetch-Site": None, "Origin": None},
                    {"Sec-Fetch-Site": "cross-site", "Origin": FOREIGN},
                    {"Sec-Fetch-Site": "same-site", "Origin": "https://blog.clinic.example"}):
        sent = {"Content-Type": FORM["Content-Type"],
                **{name: value for name, value in headers.items() if value}}
        answer = server.ask("POST", "/staff/login", headers=sent, check=False,
                            body=sites.form("anna", "anna's password")).expect(403)
        assert answer["code"] == "FORBIDDEN"


@pytest.mark.parametrize("field", ["httpd_location", "httpd_method", "httpd_mimetype",
                                   "httpd_body"])
def test_the_form_does_not_choose_where_to_go(server, field):
    body = sites.form("anna", "anna's password") + f"&{field}=https://evil.example/"
    answer = server.ask("POST", "/staff/login", headers=FORM, body=body).expect(302)
    assert answer.headers["Location"].endswith(HOME) and "evil" not in answer.headers["Location"]


def test_a_login_does_not_take_over_a_planted_session(server, db):
    """Session fixation: the id known before the login is not the id after it."""
    first = sites.cookie(log_in(server, "anna", "wrong").expect(401))
    if first:
        second = sites.cookie(log_in(server, **{"Cookie": first}).expect(302))
        assert second and second != first
        server.get("/staff/api/practitioners", headers={"Cookie": first}).expect(401)
    chosen = "__Secure-bk_staff=00000000-0000-0000-0000-000000000001"
    second = sites.cookie(log_in(server, **{"Cookie": chosen}).expect(302))
    assert second and second != chosen
    server.get("/staff/api/practitioners", headers={"Cookie": chosen}).expect(401)


# --- roles -----------------------------------------------------------------------------------

def test_anonymous_is_401(server):
    server.get("/staff/api/practitioners").expect(401)


def test_role_comes_from_the_database(server, practitioner, anna, boss):
    own = f"/staff/api/practitioners/{practitioner}/schedules"
    server.get(own, headers=anna).expect(200)
    server.get(own, headers=boss).expect(200)
    # Only admins may take a practitioner off the list.
    path = "/staff/api/practitioners/99999"
    server.ask("DELETE", path, headers={**anna, **SAME}).expect(403)
    server.ask("DELETE", path, headers={**boss, **SAME}).expect(404)


def test_a_change_of_role_or_a_deactivation_counts_at_once(server, db):
    sites.add_staff(db, "temp", "temp's password", "admin")
    headers = {"Cookie": sites.cookie(log_in(server, "temp").expect(302)), **SAME}
    path = "/staff/api/practitioners/99999"
    server.ask("DELETE", path, headers=headers).expect(404)
    db.sql("UPDATE staff SET role = 'therapist' WHERE username = 'temp'")
    server.ask("DELETE", path, headers=headers).expect(403)
    db.sql("UPDATE staff SET active = false WHERE username = 'temp'")
    server.ask("DELETE", path, headers=headers).expect((401, 403))
    server.get("/staff/api/practitioners", headers=headers).expect(401)


def test_a_role_cannot_be_planted(server, anna):
    planted = {**anna, **SAME, "AUTHENTICATE_ROLE": "admin", "AUTHENTICATE-ROLE": "admin"}
    server.ask("DELETE", "/staff/api/practitioners/99999", headers=planted).expect(403)


def test_cookie_and_token_are_good_in_their_own_place_only(server, anna):
    server.get("/api/users/anna/appointments", headers=anna).expect(401)
    bearer = sites.token("admin", "boss")
    server.get("/staff/api/practitioners", token=bearer).expect(401)
    server.get("/api/users/anna/appointments", token=bearer).expect(200)


# --- requests that other sites make the browser send -----------------------------------------

@pytest.mark.parametrize("headers", [
    {}, {"Origin": FOREIGN}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site", "Origin": "https://blog.clinic.example"},
    {"Sec-Fetch-Site": "none"}, {"Referer": ORIGIN + "/staff/"}])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_forged_writes_are_refused(server, boss, method, headers):
    body = None if method == "DELETE" else {"name": "x"}
    server.ask(method, "/staff/api/practitioners/99999", body=body,
               headers={**boss, **headers}).expect(403)


@pytest.mark.parametrize("headers", [SAME, {"Origin": ORIGIN},
                                     {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}])
def test_our_own_pages_may_write(server, boss, headers):
    server.ask("DELETE", "/staff/api/practitioners/99999",
               headers={**boss, **headers}).expect(404)


# --- the session -----------------------------------------------------------------------------

def test_logout_revokes(server, db, anna):
    before = db.value("SELECT count(*) FROM staff_sessions WHERE value <> ''")
    server.get("/staff/api/practitioners", headers=anna).expect(200)
    server.ask("POST", "/staff/logout", headers=anna, check=False).expect(403)
    server.get("/staff/api/practitioners", headers=anna).expect(200)
    server.ask("POST", "/staff/logout", headers={**anna, **SAME}, check=False).expect(200)
    # The copied cookie, now and later.
    server.get("/staff/api/practitioners", headers=anna).expect(401)
    assert db.value("SELECT count(*) FROM staff_sessions WHERE value <> ''") <= before


def test_all_sessions_can_be_ended_in_the_database(server, db, anna):
    db.sql("DELETE FROM staff_sessions")
    server.get("/staff/api/practitioners", headers=anna).expect(401)


def test_a_session_is_useless_without_the_key(server, db, anna):
    """Whoever can write the table cannot make a session."""
    db.sql("UPDATE staff_sessions SET value = 'staff-user=boss&staff-pw=x'")
    server.allow_log(r"AH01842|AH018\d\d|AH01779")
    server.get("/staff/api/practitioners", headers=anna).expect((401, 403, 500))


def test_requests_at_the_same_time_do_not_end_the_session(server, anna):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(
            lambda _: server.get("/staff/api/practitioners", headers=anna), range(24)))
    assert {answer.status for answer in answers} == {200}


def test_anonymous_requests_do_not_fill_the_table(server, db):
    before = db.value("SELECT count(*) FROM staff_sessions")
    for _ in range(10):
        server.get("/staff/api/practitioners").expect(401)
        log_in(server, "anna", "wrong").expect(401)
    assert db.value("SELECT count(*) FROM staff_sessions") == before


def test_survives_a_restart_of_postgresql(server, cluster, anna):
    server.get("/staff/api/practitioners", headers=anna).expect(200)
    cluster.restart()
    server.allow_log(r"AH00632|AH00633|AH00630|AH01[678]\d\d|terminating connection|booking:")
    wait.until(lambda: log_in(server).status == 302, "a login after the restart", 5)
    server.get("/staff/api/practitioners", headers=anna).expect(200)


def test_nothing_of_the_login_is_logged(server):
    log_in(server, "anna", "canary-password-in-form").expect(401)
    for name in ("error.log", "access.log"):
        assert "canary-password" not in (server.root / "logs" / name).read_text()
