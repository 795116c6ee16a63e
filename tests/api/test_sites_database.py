"""conf/sites/database.conf: start-up parameters, outage, a second host, PgBouncer."""
import pathlib
import shutil
import subprocess
import tempfile
import time

import pytest

import sites
from harness import seed, wait
from harness.cluster import as_postgres
from harness.httpd import free_port
from sites import serve  # noqa: F401

AWAY = r"AH0063[0-9]|\[booking:(warn|error)\]|terminating connection"


@pytest.fixture(scope="module")
def db(cluster):
    return cluster.create()


@pytest.fixture
def serve_with(serve, db):
    """Starts a server with this connection string."""
    def start(dsn):
        return serve(head=sites.bearer(db, BK_DB=dsn),
                     inside=sites.include("database.conf", "bearer.conf"), modules=sites.BEARER)
    return start


def booked(server, practitioner, date, time):
    return server.ask("POST", "/api/appointments", token=sites.token(sub="user-1"),
                      body={"practitionerId": practitioner, "date": date, "time": time})


def test_a_statement_that_hangs_is_given_up(serve_with, db):
    """statement_timeout arrives at the server, so search_path and the others do, too."""
    server = serve_with(db.dsn())
    server.get("/api/practitioners").expect(200)
    server.allow_log(r"\[booking:(warn|error)\]")
    connection = db.connect()
    try:
        connection.cursor().execute("LOCK TABLE practitioners IN ACCESS EXCLUSIVE MODE")
        begun = time.monotonic()
        server.get("/api/practitioners").expect(503, "UNAVAILABLE")
        assert 4 < time.monotonic() - begun < 9
    finally:
        connection.close()
    server.get("/api/practitioners").expect(200)


def test_an_outage_is_503_and_ends_by_itself(serve_with, db, cluster):
    server = serve_with(db.dsn())
    server.get("/api/practitioners").expect(200)
    server.allow_log(AWAY, always=True)
    cluster.stop()
    try:
        answer = server.get("/api/practitioners").expect(503, "UNAVAILABLE")
        assert int(answer.headers["Retry-After"]) >= 0
    finally:
        cluster.start()
    wait.until(lambda: server.get("/api/practitioners").status == 200, "the database", 10)


def test_a_host_that_is_away_is_passed_over(serve_with, db, cluster):
    """host=a,b: the first does not answer, the second accepts writes."""
    hosts = f"/tmp/no-such-directory,{cluster.directory}"
    server = serve_with(f"host={hosts} target_session_attrs=read-write dbname={db.name} "
                        "user=booking")
    server.get("/api/practitioners").expect(200)


def test_the_password_may_come_from_a_file(serve_with, db, cluster, tmp_path):
    """passfile= is accepted by the driver; the cluster of the tests asks for no password."""
    file = tmp_path / "booking.pgpass"
    file.write_text("*:*:*:booking:secret\n")
    file.chmod(0o600)
    serve_with(db.dsn() + f" passfile={file}").get("/api/practitioners").expect(200)


def test_two_clinics_in_one_server(serve, db, cluster):
    """Each virtual host has its own database, key and identity provider."""
    theirs = cluster.create()
    practitioner = seed.practitioner(theirs, user_id="b-1", name="Dr. B")
    (second_key,) = serve(run=False, head="", inside="").root.glob("conf/booking.key")
    server = serve(
        head=sites.bearer(db), inside=sites.include("database.conf", "bearer.conf"),
        after="\n".join([
            "Listen 127.0.0.1:{second}",
            sites.bearer(theirs, BK_KEY=f"b1 file:{second_key}", BK_ISSUER="https://b.example/",
                         BK_JWK=sites.jwk("b"), BK_TENANT="b", BK_GUESTS=1),
            "<VirtualHost 127.0.0.1:{second}>", sites.include("database.conf", "bearer.conf"),
            "</VirtualHost>"]), modules=sites.BEARER)
    names = [row["name"] for row in server.get("/api/practitioners", second=True)["practitioners"]]
    assert names == ["Dr. B"]
    assert "Dr. B" not in str(server.get("/api/practitioners").body)
    at_b = sites.token(key="b", iss="https://b.example/")
    server.get("/api/users/user-1/appointments", token=at_b, second=True).expect(200)
    server.get("/api/users/user-1/appointments", token=at_b).expect(401)
    server.get("/api/users/user-1/appointments", token=sites.token(), second=True).expect(401)
    # Guests may book at b; a manage token of b is nothing at a.
    visit = {"practitionerId": practitioner, "date": "2027-06-15", "time": "09:00:00",
             "userName": "Guest Person", "userEmail": "guest.person@mail.example"}
    booked = server.ask("POST", "/api/appointments", body=visit, second=True).expect(201)
    path = f"/api/appointments/{booked['bookingId']}?token={booked['manageToken']}"
    server.get(path, second=True).expect(200)
    server.get(path).expect((401, 404))
    server.ask("POST", "/api/appointments", body=visit).expect(401)


BOUNCER = """
[databases]
{name} = host={directory} dbname={name}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {root}/users.txt
pool_mode = transaction
default_pool_size = 4
ignore_startup_parameters = options,extra_float_digits
logfile = {root}/pgbouncer.log
pidfile = {root}/pgbouncer.pid
"""


@pytest.fixture
def bouncer(db, cluster):
    if not shutil.which("pgbouncer"):
        pytest.skip("no pgbouncer here")
    root = pathlib.Path(tempfile.mkdtemp(prefix="bk-bouncer-", dir="/tmp"))
    port = free_port()
    (root / "users.txt").write_text('"booking" ""\n')
    (root / "pgbouncer.ini").write_text(BOUNCER.format(
        name=db.name, directory=cluster.directory, port=port, root=root))
    subprocess.run(["chown", "-R", "postgres:", root], check=True)
    process = subprocess.Popen(as_postgres(["pgbouncer", "-q", root / "pgbouncer.ini"]),
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        wait.until(lambda: (root / "pgbouncer.log").exists() and
                   "listening" in (root / "pgbouncer.log").read_text(), "pgbouncer", 10)
        yield port
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(root, ignore_errors=True)


def test_behind_pgbouncer_in_transaction_mode(serve_with, db, cluster, bouncer):
    # The lines of database.conf; search_path is set on the database by the harness.
    for setting in ("search_path = booking, public", "statement_timeout = '5s'",
                    "plan_cache_mode = force_generic_plan"):
        cluster.rows("postgres", f"ALTER ROLE booking IN DATABASE {db.name} SET {setting}")
    server = serve_with(f"host=127.0.0.1 port={bouncer} dbname={db.name} user=booking")
    server.allow_log(r"\[booking:(warn|notice)\]")
    practitioner = seed.practitioner(db)
    for hour in ("09:00", "10:00", "11:00", "12:00"):
        booked(server, practitioner, "2027-06-15", f"{hour}:00").expect(201)
        server.get("/api/practitioners").expect(200)
    booked(server, practitioner, "2027-06-15", "09:00:00").expect(409)
