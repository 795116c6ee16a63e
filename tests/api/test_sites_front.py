"""conf/sites/ tls.conf, port80.conf, behind-proxy.conf, limits.conf, logging.conf."""
import json
import re
import shutil
import socket
import ssl
import subprocess

import pytest

import sites
from harness import client, seed, wait
from sites import BEARER, ORIGIN, serve  # noqa: F401


@pytest.fixture(scope="module")
def db(cluster):
    return cluster.create()


# --- TLS -------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    directory = tmp_path_factory.mktemp("tls")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=clinic.example", "-keyout", directory / "key.pem",
                    "-out", directory / "cert.pem"], check=True, capture_output=True)
    return {name: (directory / name).read_bytes() for name in ("cert.pem", "key.pem")}


# As in Debian's ssl.conf: a setting of the whole server.
CACHE = "SSLSessionCache shmcb:{root}/run/ssl_scache(64000)\n"
PLAIN_PORT = "\n".join([
    "Listen 127.0.0.1:{second}", "<VirtualHost 127.0.0.1:{second}>", "DocumentRoot {docroot}",
    sites.include("port80.conf"), "</VirtualHost>"])


@pytest.fixture(scope="module")
def tls(db, certificate):
    server = sites.Server(
        head=CACHE + sites.bearer(db, BK_TLS_CERT="{root}/conf/cert.pem",
                                    BK_TLS_KEY="{root}/conf/key.pem",
                                    BK_HOST="www.clinic.example"),
        inside=sites.include("tls.conf", "database.conf", "bearer.conf"), after=PLAIN_PORT,
        modules=(*BEARER, "socache_shmcb", "ssl", "http2"))
    for name, content in certificate.items():
        (server.root / "conf" / name).write_bytes(content)
    server.allow_log(r"AH01906|AH01909|SSL Library Error", always=True)
    server.start()
    yield server
    server.destroy()


def test_tls_serves_the_api(tls):
    assert tls.check()[0] == 0
    answer = tls.get("/api/practitioners", tls=True).expect(200)
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert tls.get("/api/users/user-1/appointments", tls=True) \
              .expect(401).headers["Strict-Transport-Security"]
    tls.get("/api/users/user-1/appointments", tls=True, token=sites.token()).expect(200)


@pytest.mark.parametrize("path", ["/api/practitioners", "/api", "/api/health", "/%61pi/health",
                                  "//api/health", "/staff/login", "/staff/api/practitioners"])
def test_plain_http_is_refused_for_the_api(tls, path):
    answer = tls.ask("GET", path, second=True, check=False).expect(403)
    assert answer["code"] == "FORBIDDEN" and answer["message"] == "Use https."
    assert "Location" not in answer.headers and "Strict-Transport-Security" not in answer.headers
    tls.ask("POST", path, second=True, check=False, token=sites.token(), body={}).expect(403)


def test_plain_http_redirects_pages(tls):
    answer = tls.ask("GET", "/staff/plan.html?week=3", second=True).expect(308)
    assert answer.headers["Location"] == "https://www.clinic.example/staff/plan.html?week=3"
    answer = tls.ask("GET", "/apish", second=True).expect(308)


def test_plain_http_leaves_certificate_challenges_alone(tls):
    directory = tls.docroot / ".well-known" / "acme-challenge"
    directory.mkdir(parents=True)
    (directory / "token").write_text("proof")
    answer = tls.ask("GET", "/.well-known/acme-challenge/token", second=True).expect(200)
    assert answer.content == b"proof"


def handshake(port, protocols=None, **limits):
    context = ssl._create_unverified_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    for name, version in limits.items():
        setattr(context, name, version)
    if protocols:
        context.set_alpn_protocols(protocols)
    with socket.create_connection(("127.0.0.1", port), 10) as plain, \
            context.wrap_socket(plain, server_hostname="clinic.example") as secure:
        return secure.version(), secure.selected_alpn_protocol()


def test_tls_versions(tls):
    version = ssl.TLSVersion
    assert handshake(tls.port, ["h2", "http/1.1"]) == ("TLSv1.3", "h2")
    assert handshake(tls.port, maximum_version=version.TLSv1_2)[0] == "TLSv1.2"
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        handshake(tls.port, minimum_version=version.TLSv1, maximum_version=version.TLSv1_1)


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl here")
def test_http2_serves_the_api(tls):
    for path, bearer, status in (("/api/practitioners", "", "200"),
                                 ("/api/users/user-1/appointments", "", "401"),
                                 ("/api/users/user-1/appointments", sites.token(), "200")):
        done = subprocess.run(
            ["curl", "-sk", "--http2", "--noproxy", "*", "-o", "/dev/null", "-w",
             "%{http_version} %{http_code}", "-H", f"Authorization: Bearer {bearer}" if bearer
             else "Accept: application/json", f"https://127.0.0.1:{tls.port}{path}"],
            capture_output=True, text=True, timeout=20)
        assert done.stdout == f"2 {status}", (path, done.stdout, done.stderr)


def test_tls_conf_in_a_plain_virtual_host_closes_the_api(serve, db):
    server = serve(head=CACHE + sites.bearer(db), inside="\n".join([
        sites.include("database.conf", "bearer.conf"),
        "<Location /api>", "SSLRequireSSL", "</Location>"]),
        modules=(*BEARER, "socache_shmcb", "ssl"))
    server.allow_log("SSL connection required", always=True)
    server.get("/api/practitioners").expect(403)


# --- behind a proxy --------------------------------------------------------------------------

PROXY, OTHER = "127.0.0.1", "127.0.0.77"
SEEN = 'Header always set X-Seen "expr=%{REMOTE_ADDR}"'


@pytest.fixture(scope="module")
def proxied(db):
    server = sites.Server(
        head=sites.bearer(db, BK_PROXIES="127.0.0.1 127.0.0.8/29", BK_HOST="www.clinic.example"),
        inside=sites.include("behind-proxy.conf", "database.conf", "bearer.conf") + "\n" + SEEN,
        modules=("remoteip", *BEARER))
    (server.docroot / "folder").mkdir()
    server.start()
    yield server
    server.destroy()


@pytest.mark.parametrize("source,forwarded,seen", [
    (PROXY, "203.0.113.7", "203.0.113.7"),
    (PROXY, "198.51.100.1, 203.0.113.7", "203.0.113.7"),       # the visitor made up the first
    (PROXY, "203.0.113.7, 127.0.0.9", "203.0.113.7"),          # two proxies in a row
    (PROXY, None, PROXY),
    (PROXY, "garbage", PROXY),
    (OTHER, "203.0.113.7", OTHER),                             # not one of ours
    (OTHER, None, OTHER),
    (PROXY, "2001:db8::7", "2001:db8::7"),
])
def test_only_the_proxys_word_counts(proxied, source, forwarded, seen):
    headers = {"X-Forwarded-Proto": "https"}
    if forwarded:
        headers["X-Forwarded-For"] = forwarded
    answer = proxied.get("/api/practitioners", headers=headers, source=source).expect(200)
    assert answer.headers["X-Seen"] == seen


@pytest.mark.parametrize("headers", [{"X-Forwarded-Proto": "http"}, {},
                                     {"X-Forwarded-Proto": "https, http"}])
def test_the_api_is_refused_where_the_visitor_used_no_tls(proxied, headers):
    for path in ("/api/practitioners", "/%61pi/practitioners", "//api/practitioners"):
        proxied.get(path, headers=headers).expect(403)
    assert proxied.ask("GET", "/index.html", headers=headers).expect(200)


def test_redirects_say_https_and_the_public_name(proxied):
    answer = proxied.ask("GET", "/folder", headers={"X-Forwarded-Proto": "https",
                                                    "Host": "evil.example"}).expect(301)
    assert answer.headers["Location"] == "https://www.clinic.example/folder/"


# --- limits ----------------------------------------------------------------------------------

FEW = dict(BK_LIMIT_BOOK=4, BK_LIMIT_BOOK_SECONDS=60, BK_LIMIT_API=16, BK_LIMIT_API_SECONDS=60,
           BK_LIMIT_LOGIN=4, BK_LIMIT_LOGIN_SECONDS=300, BK_LIMIT_FAILED=6,
           BK_LIMIT_FAILED_SECONDS=300)
LIMITED = ("reqtimeout", *BEARER)


@pytest.fixture
def limited(serve, db):
    server = serve(head=sites.bearer(db, **FEW) + "\n" + sites.include("limits.conf"),
                   inside=sites.include("database.conf", "bearer.conf"), modules=LIMITED)
    server.allow_log(r"\[qos:", always=True)
    return server


def check_limited(answer, seconds):
    answer.expect(429, "RATE_LIMITED")
    client.check_error(answer)
    assert 0 < int(answer.headers["Retry-After"]) <= seconds
    return answer


def test_limit_on_bookings(limited):
    bearer = sites.token()

    def book(path="/api/appointments"):
        return limited.ask("POST", path, token=bearer, body={}, headers={"Origin": ORIGIN},
                           source="127.0.0.21")
    # Other spellings of the path count as well.
    book("/api/appointments").expect(400)
    book("/%61pi/appointments").expect(400)
    book("/api//appointments").expect(400)
    answer = check_limited(book(), 60)
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    check_limited(book("/%61pi/appointments"), 60)
    # Reading goes on, and so do others.
    limited.get("/api/practitioners", token=bearer, source="127.0.0.21").expect(200)
    limited.ask("POST", "/api/appointments", token=bearer, body={}, source="127.0.0.22").expect(400)


def test_limit_on_other_requests(limited):
    def read():
        return limited.get("/api/health", source="127.0.0.31")
    for _ in range(FEW["BK_LIMIT_API"] - 1):
        read().expect(200)
    check_limited(read(), 60)
    limited.ask("GET", "/index.html", source="127.0.0.31").expect(200)
    limited.get("/api/health", source="127.0.0.32").expect(200)


def test_limit_on_bad_tokens(limited):
    """mod_qos counts an answer when it has gone out, so a quick client gets a few more through."""
    def knock(bearer="forged"):
        return limited.get("/api/users/user-1/appointments", token=bearer, source="127.0.0.41")
    for _ in range(FEW["BK_LIMIT_FAILED"]):
        knock().expect(401)
    wait.until(lambda: knock().expect((401, 429)).status == 429, "the limit", 2, pause=0.05)
    check_limited(knock(), 300)
    check_limited(knock(sites.token()), 300)
    limited.get("/api/users/user-1/appointments", token=sites.token(),
                source="127.0.0.42").expect(200)


def test_a_made_up_address_is_no_way_around(limited):
    statuses = []
    for number in range(6):
        made_up = {"X-Booking-Client": f"203.0.113.{number}",
                   "X-Forwarded-For": f"203.0.113.{number}"}
        statuses.append(limited.ask("POST", "/api/appointments", token=sites.token(), body={},
                                    headers=made_up, source="127.0.0.51").status)
    assert statuses == [400, 400, 400, 429, 429, 429]


def test_limits_behind_a_proxy_count_visitors(serve, db):
    server = serve(
        head=sites.bearer(db, BK_PROXIES=PROXY, BK_HOST="www.clinic.example", **FEW) + "\n" +
        sites.include("limits.conf"),
        inside=sites.include("behind-proxy.conf", "database.conf", "bearer.conf"),
        modules=("remoteip", *LIMITED))
    server.allow_log(r"\[qos:", always=True)

    def book(forwarded):
        return server.ask("POST", "/api/appointments", token=sites.token(), body={}, source=PROXY,
                          headers={"X-Forwarded-For": forwarded, "X-Forwarded-Proto": "https"})
    for number in range(3):
        book(f"192.0.2.{number}, 203.0.113.7").expect(400)  # what the visitor adds is no use
    check_limited(book("192.0.2.99, 203.0.113.7"), 60)
    book("203.0.113.8").expect(400)


def test_size_of_a_request(limited):
    bearer = sites.token()
    limited.get("/api/health", headers={"X-Long": "x" * 9000}, check=False).expect((400, 431))
    limited.get("/api/health?" + "x" * 5000, check=False).expect(414)
    limited.ask("POST", "/api/appointments", token=bearer,
                body={"notes": "x" * 70_000}).expect(413)
    limited.ask("POST", "/api/appointments", token=bearer,
                body={"notes": "x" * 200_000}).expect(413)


def test_mod_qos_is_loaded_by_the_file_itself(limited):
    assert "qos" not in limited.load_lines()


# --- logs ------------------------------------------------------------------------------------

@pytest.fixture
def logged(serve, db):
    server = serve(
        head=sites.bearer(db, BK_LOG_API="logs/api.json", BK_LOG_PAGES="logs/pages.log"),
        inside=sites.include("database.conf", "bearer.conf", "logging.conf"),
        modules=(*BEARER, "unique_id"))
    return server


CANARY = "canary.person@mail.example"


def test_log_lines_are_json_and_say_nothing_private(logged, db):
    practitioner = seed.practitioner(db)
    bearer = sites.token(sub="opaque-subject-7")
    odd = 'caf\u00e9 "quoted" \\ '
    requests = [
        lambda: logged.get(f"/api/practitioners/{practitioner}?token=mt_secretmanage&e={CANARY}"),
        lambda: logged.get("/api/users/opaque-subject-7/appointments", token=bearer),
        lambda: logged.get("/api/practitioners", headers={
            "User-Agent": odd, "Referer": f"https://x.example/?e={CANARY}",
            "X-Manage-Token": "mt_secretmanage"}),
        lambda: logged.get("/api/%22quoted%22/%C3%A9/%5C", check=False),
        lambda: logged.get("/api/users/x/appointments", token="garbage.canary"),
        lambda: logged.ask("POST", "/%61pi/appointments?e=" + CANARY, body={"userEmail": CANARY}),
        lambda: logged.ask("BREW", "/api/practitioners", check=False),
        lambda: logged.ask("OPTIONS", "/api/practitioners", headers={
            "Origin": ORIGIN, "Access-Control-Request-Method": "GET"}),
    ]
    answers = [request() for request in requests]
    lines = logged.log_lines("api.json", len(requests))
    rows = [json.loads(line) for line in lines]
    assert len(rows) == len(answers)
    # Lines come in the order in which the threads get to it.
    by_id = {row["id"]: row for row in rows}
    assert len(by_id) == len(rows)
    for answer in answers[:-1]:
        assert by_id[answer.headers["X-Request-Id"]]["status"] == answer.status
    first = by_id[answers[0].headers["X-Request-Id"]]
    assert {row["net"] for row in rows} == {"127.0.0.0"}
    assert first["route"].endswith("/practitioners/{practitionerId}")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d{4}", first["ts"])
    assert all(isinstance(row[name], int) for row in rows for name in ("us", "in", "out"))
    everything = "\n".join(lines) + logged.log_text()
    for word in (CANARY, "canary", "mt_secretmanage", "opaque-subject-7", bearer, "quoted", "?"):
        assert word not in "\n".join(lines), word
    for word in (CANARY, "mt_secretmanage", bearer):
        assert word not in everything, word


def test_the_id_of_an_error_is_the_id_of_its_line(logged):
    answer = logged.get("/api/nothing/here").expect(404)
    row = json.loads(logged.log_lines("api.json", 1)[0])
    assert row["id"] == answer["requestId"] == answer.headers["X-Request-Id"]


def test_pages_go_to_their_own_log(logged):
    logged.ask("GET", f"/index.html?token=mt_secretmanage&e={CANARY}",
               headers={"Referer": f"https://x.example/?e={CANARY}"}).expect(200)
    line = logged.log_lines("pages.log", 1)[0]
    assert '"GET /index.html HTTP/1.1" 200' in line and line.startswith("127.0.0.0 ")
    assert CANARY not in line and "?" not in line
    assert not (logged.root / "logs" / "api.json").read_text()


def test_the_error_log_has_no_referer(logged):
    logged.allow_log("AH10244|AH00127")
    secret = "https://www.clinic.example/manage?token=mt_secretmanage"
    logged.get("/api/users/x/appointments", token="garbage", headers={"Referer": secret})
    logged.ask("GET", "/%2e%2e/%2e%2e/etc/passwd", headers={"Referer": secret}, check=False)
    assert "mt_secretmanage" not in logged.log_text()
    assert "[id " in logged.log_text()
