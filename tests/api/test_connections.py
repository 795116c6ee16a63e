"""Database connections: who holds one, when one is noticed to be gone, and who shares them."""
import concurrent.futures
import json
import socket
import time

import pytest

from harness import httpd as httpd_module, raw, seed, tokens, wait

FRIDAY = "2025-06-20"
AT_ONCE = 1.5  # seconds; below BookingDBWait, and below what any hang would take
AWAY = r"booking:(warn|error)|dbd:error|AH0063|AH0062|mod_dbd"


# --- one connection for everybody ------------------------------------------------------------

@pytest.fixture(scope="module")
def site_options():
    return {"vhost_conf": "  BookingDBMax 1\n  BookingDBWait 3000\n",
            "dbd": {"keep": 1, "maximum": 1}}


@pytest.fixture
def doctor(db, clock):
    return seed.practitioner(db)


def asked(cluster, db, words, state="idle"):
    """Whether the last statement of a connection has these words."""
    return cluster.rows("postgres", "SELECT pid FROM pg_stat_activity WHERE datname = %s"
                                    " AND query LIKE %s AND state = %s",
                        (db.name, f"%{words}%", state))


def slow_booking(doctor, user):
    """A request in two halves; the user's token has no role, so the database is asked for it."""
    body = json.dumps({"practitionerId": doctor, "date": FRIDAY, "time": "14:00"}).encode()
    data = raw.request("POST", "/api/appointments",
                       [("Content-Type", "application/json"),
                        ("Authorization", f"Bearer {tokens.token(None, user)}")], body)
    return data[:-len(body) // 2], data[-len(body) // 2:]


def test_who_sends_a_body_slowly_holds_no_connection(site, cluster, doctor):
    first, second = slow_booking(doctor, f"slow-{doctor}")
    with socket.create_connection(("127.0.0.1", site.httpd.port), 10) as slow:
        slow.sendall(first)
        wait.until(lambda: asked(cluster, site.db, "FROM practitioners WHERE user_id ="),
                   "the role to be looked up")
        started = time.monotonic()
        site.api.get(f"/practitioners/{doctor}").expect(200)
        site.api.as_client(f"quick-{doctor}").book(doctor, FRIDAY, "15:00").expect(201)
        took = time.monotonic() - started
        assert took < AT_ONCE, f"served after {took:.1f} s only"
        slow.sendall(second)
        slow.settimeout(10)
        assert slow.recv(100).startswith(b"HTTP/1.1 201 ")


def terminate(cluster, db):
    """Ends each connection to the database as an administrator does: the server says goodbye."""
    ended = cluster.rows("postgres", "SELECT pg_terminate_backend(pid, 5000) AS gone"
                                     " FROM pg_stat_activity WHERE datname = %s"
                                     " AND backend_type = 'client backend'", (db.name,))
    assert ended and all(row["gone"] for row in ended)


def book(user, doctor, time_):
    return user.book(doctor, FRIDAY, time_)


def book_under_a_key(user, doctor, time_):
    return user.post("/appointments", {"practitionerId": doctor, "date": FRIDAY, "time": time_},
                     headers={"Idempotency-Key": f"after-goodbye-{doctor}-{time_}"})


@pytest.mark.parametrize("write", [book, book_under_a_key])
def test_a_write_right_after_the_server_said_goodbye(site, cluster, doctor, write):
    user = site.api.as_client(f"goodbye-{doctor}")
    write(user, doctor, "09:00").expect(201)  # the hours are known from now on: nothing is read
    for time_ in ("10:00", "11:00", "12:00"):
        terminate(cluster, site.db)
        write(user, doctor, time_).expect(201)
    assert site.db.value("SELECT count(*) FROM appointments WHERE practitioner_id = %s",
                         (doctor,)) == 4


# --- two virtual hosts -----------------------------------------------------------------------

LIMITS = "  BookingDBMax 1\n  BookingDBWait 300\n"
ONE = {"minimum": 0, "keep": 1, "maximum": 1}


def two_hosts(make_site, where):
    """One database and two host names; *where* its directives stand."""
    site = make_site(start=False, vhost_conf=LIMITS, dbd=ONE)
    httpd = site.httpd
    pool = httpd_module.DATABASE.format(dsn=httpd.dsn, **httpd.dbd)
    hosts = httpd.host_lines

    def host_lines():
        one = hosts()
        other = one.replace("clinic.example", "other.example")
        if where == "outside both":
            return pool + one.replace(pool, "") + other.replace(pool, "")
        if where == "in both, differing":
            other = other.replace("DBDKeep 1", "DBDKeep 1\n  DBDExptime 77")
        return one + other
    httpd.host_lines = host_lines
    httpd.server_conf = "ServerName nobody.example\n"
    httpd.start()
    httpd.allow_log(AWAY)
    return site


def ask(site, host, path):
    """The answer, and how long it took."""
    started = time.monotonic()
    answer = site.api.anonymous().get(path, headers={"Host": host})
    return answer, time.monotonic() - started


class Blocked:
    """While it lasts, one request of the first host has a connection and waits for a lock."""

    def __init__(self, site, cluster, table, path):
        self.site, self.cluster, self.table, self.path = site, cluster, table, path

    def __enter__(self):
        self.blocker = self.site.db.connect()
        self.blocker.cursor().execute(f"LOCK TABLE {self.table} IN ACCESS EXCLUSIVE MODE")
        self.pool = concurrent.futures.ThreadPoolExecutor(1)
        self.first = self.pool.submit(ask, self.site, "clinic.example", self.path)
        wait.until(self._waits, "the first request to wait for the lock")
        return self

    def _waits(self):
        return self.cluster.rows("postgres", "SELECT 1 FROM pg_stat_activity WHERE datname = %s"
                                             " AND wait_event_type = 'Lock'",
                                 (self.site.db.name,))

    def __exit__(self, *trouble):
        self.blocker.rollback()
        self.blocker.close()
        self.pool.shutdown()


# mod_dbd makes one pool of equal directives, wherever they stand.
@pytest.mark.parametrize("where", ["outside both", "in both, equal"])
def test_hosts_that_share_a_pool_share_its_gate(make_site, cluster, where):
    site = two_hosts(make_site, where)
    for host in ("clinic.example", "other.example"):
        ask(site, host, "/practitioners")[0].expect(200)
    with Blocked(site, cluster, "practitioners", "/practitioners") as blocked:
        for host in ("other.example", "clinic.example"):
            answer, took = ask(site, host, "/practitioners")
            answer.expect(503, "UNAVAILABLE")
            assert took < AT_ONCE, f"{host} was answered after {took:.1f} s only"
    blocked.first.result(10)[0].expect(200)
    ask(site, "other.example", "/practitioners")[0].expect(200)


def test_hosts_with_pools_of_their_own_do_not_wait_for_each_other(make_site, cluster):
    site = two_hosts(make_site, "in both, differing")
    doctor = seed.practitioner(site.db)
    times = f"/practitioners/{doctor}/availability?date={FRIDAY}"
    with Blocked(site, cluster, "practitioner_schedules", times) as blocked:
        answer, took = ask(site, "other.example", "/practitioners")
        answer.expect(200)
        assert took < AT_ONCE, f"answered after {took:.1f} s only"
        ask(site, "clinic.example", "/practitioners")[0].expect(503, "UNAVAILABLE")
    blocked.first.result(10)[0].expect(200)


# --- no database -----------------------------------------------------------------------------

ROLE_REQUIRED = """
      AuthType oauth2
      AuthName booking
      OAuth2TokenVerify plain {secret} verify.exp=required&expiry=0&verify.cache=tests
      OAuth2TargetPass headers=Off&envvars=On
      <RequireAll>
        Require oauth2_claim iss:{issuer}
        Require booking-role client
      </RequireAll>
"""


@pytest.fixture(scope="module")
def away(make_site):
    """A server whose database is not there, and which asks it for the roles of its callers."""
    site = make_site(database=False, auth=ROLE_REQUIRED,
                     dsn="host=/nowhere dbname=nothing connect_timeout=1")
    site.httpd.allow_log(AWAY + "|AH01630|authz_core", always=True)
    return site


def test_a_required_role_that_cannot_be_looked_up(away):
    for path in ("/practitioners", "/users/somebody/appointments", "/nothing-here"):
        answer = away.api.as_user("somebody").get(path).expect(503, "UNAVAILABLE")
        assert int(answer.headers["Retry-After"]) > 0
    away.api.as_user("somebody").post("/appointments", {}).expect(503, "UNAVAILABLE")


def test_a_required_role_that_the_token_has_needs_no_database(away):
    away.api.as_client().get("/openapi.json").expect(200)
    away.api.as_admin().get("/openapi.json").expect((401, 403))


def test_a_database_without_our_tables_is_up_but_does_not_serve(make_site, cluster):
    bare = make_site(database=cluster.create_empty())
    bare.httpd.allow_log(AWAY)
    for path in ("/practitioners", "/practitioners/1",
                 f"/availability/search?from={FRIDAY}&to={FRIDAY}"):
        answer = bare.api.get(path).expect(503, "UNAVAILABLE")
        assert int(answer.headers["Retry-After"]) > 0
    health = bare.api.get("/health", check=False).expect(503)
    assert (health["database"], health["status"]) == ("up", "degraded")
    bare.db.migrate()
    bare.api.get("/practitioners").expect(200)
    assert bare.api.get("/health").expect(200)["database"] == "up"
