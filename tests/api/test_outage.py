"""What breaks: the database, a server process, the pool. Nothing acknowledged is ever lost.

This module has a cluster of its own: it restarts it.
"""
import concurrent.futures
import threading
import time

import pytest

from harness import seed, wait
from harness.cluster import SCHEMA, Cluster
from harness.pgbouncer import PgBouncer

FRIDAY = "2025-06-20"
BACK_WITHIN = 2.0
NEVER_LONGER = 10.0

# What a server may log while its database is away.
AWAY = r"booking:(warn|error)|dbd:error|AH0063|AH0062|mod_dbd"


@pytest.fixture(scope="module")
def cluster():
    cluster = Cluster()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.destroy()


@pytest.fixture(autouse=True)
def outages_are_logged(httpd, clock):
    httpd.allow_log(AWAY)
    yield
    httpd.allow_log(AWAY)


class Load:
    """Clients that book all the time, each on a practitioner of its own, and read in between."""

    def __init__(self, site, clients=8):
        self.api = site.api
        self.doctors = [seed.practitioner(site.db, slot=5, hours=(("00:00", "24:00"),))
                        for _ in range(clients)]
        self.acknowledged, self.statuses, self.troubles = [], {}, []
        self.times = []  # (when answered, status)
        self.stopped = threading.Event()
        self.lock = threading.Lock()
        self.pool = concurrent.futures.ThreadPoolExecutor(clients)

    def __enter__(self):
        self.running = [self.pool.submit(self._run, number)
                        for number in range(len(self.doctors))]
        return self

    def __exit__(self, *trouble):
        self.stopped.set()
        for done in self.running:
            done.result(60)
        self.pool.shutdown()

    def _run(self, number):
        user = self.api.as_client(f"load-{number}-{self.doctors[number]}")
        doctor, minute = self.doctors[number], 0
        while not self.stopped.is_set():
            date = seed.day(FRIDAY, minute // 1440)
            time_ = f"{minute % 1440 // 60:02}:{minute % 60:02}"
            minute += 5
            self._once(lambda: user.book(doctor, date, time_))
            if minute % 20 == 0:
                self._once(lambda: user.get(f"/practitioners/{doctor}/availability?date={date}"))

    def _once(self, request):
        began = time.monotonic()
        try:
            answer = request()
        except Exception as trouble:  # a connection that a restart closed
            with self.lock:
                self.statuses["closed"] = self.statuses.get("closed", 0) + 1
                if isinstance(trouble, AssertionError):
                    self.troubles.append(str(trouble))
            time.sleep(0.02)
            return
        took = time.monotonic() - began
        with self.lock:
            self.statuses[answer.status] = self.statuses.get(answer.status, 0) + 1
            self.times.append((time.monotonic(), answer.status))
            if took > NEVER_LONGER:
                self.troubles.append(f"took {took:.1f} s: {answer}")
            if answer.status == 201:
                self.acknowledged.append(answer["appointmentId"])
            elif answer.status >= 500 and answer.status != 503:
                self.troubles.append(str(answer))
            elif answer.status not in (200, 503, 409):
                self.troubles.append(str(answer))
        if answer.status == 503:
            time.sleep(0.02)

    def succeeded_after(self, moment):
        with self.lock:
            return [when for when, status in self.times if when > moment and status == 201]

    def wait_for(self, number):
        goal = len(self.acknowledged) + number
        deadline = time.monotonic() + 20
        while len(self.acknowledged) < goal:
            assert time.monotonic() < deadline, f"no bookings any more: {self.statuses}"
            time.sleep(0.01)

    def check(self, db, back_at=None):
        assert not self.troubles, "\n".join(self.troubles[:5])
        kept = {row["id"] for row in db.sql("SELECT id FROM appointments WHERE id = ANY(%s)",
                                            (self.acknowledged,))}
        lost = set(self.acknowledged) - kept
        assert not lost, f"acknowledged and lost: {sorted(lost)[:10]} of {len(lost)}"
        if back_at is not None:
            served = self.succeeded_after(back_at)
            assert served, f"nothing was booked after the database was back: {self.statuses}"
            assert min(served) - back_at < BACK_WITHIN, \
                f"back after {min(served) - back_at:.1f} s only"


def test_a_server_process_is_killed(site, cluster):
    with Load(site) as load:
        load.wait_for(30)
        cluster.kill_backend(cluster.backends(site.db.name)[0])
        # PostgreSQL restarts itself; the moment it answers again is the one that counts.
        deadline = time.monotonic() + 20
        time.sleep(0.05)
        while not cluster._answers():
            assert time.monotonic() < deadline
        back = time.monotonic()
        load.wait_for(30)
    load.check(site.db, back)


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_the_database_is_restarted(site, cluster, mode):
    with Load(site) as load:
        load.wait_for(30)
        cluster.restart(mode)
        back = time.monotonic()
        load.wait_for(30)
    load.check(site.db, back)


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_connections_that_died_while_idle_are_noticed(site, cluster, mode):
    """The database was restarted while nobody asked: nobody has to hear of it."""
    doctors = [seed.practitioner(site.db) for _ in range(10)]
    blocker = site.db.connect()
    try:  # ten requests that wait at once fill the pool
        blocker.cursor().execute("LOCK TABLE practitioner_schedules IN ACCESS EXCLUSIVE MODE")
        with concurrent.futures.ThreadPoolExecutor(10) as pool:
            waiting = [pool.submit(site.api.free, doctor, FRIDAY) for doctor in doctors]
            wait.until(lambda: len(cluster.backends(site.db.name)) >= 11, "a full pool")
            blocker.rollback()
            assert all(len(done.result()) == 8 for done in waiting)
    finally:
        blocker.close()
    cluster.restart(mode)
    statuses = [site.api.as_client(f"after-{mode}-{doctor}").book(doctor, FRIDAY, "09:00").status
                for doctor in doctors]
    assert statuses == [201] * 10, f"the first bookings after a restart: {statuses}"


def test_the_database_is_away(site, cluster):
    doctor = seed.practitioner(site.db)
    user = site.api.as_client(f"away-{doctor}")
    cluster.stop("fast")
    try:
        began = time.monotonic()
        for answer in (user.get(f"/practitioners/{doctor}/availability?date={FRIDAY}"),
                       user.book(doctor, FRIDAY, "14:00:00")):
            answer.expect(503, "UNAVAILABLE")
            assert int(answer.headers["Retry-After"]) > 0
        assert time.monotonic() - began < NEVER_LONGER
        user.get("/nothing-here").expect(404)
        user.get("/openapi.json").expect(200)
        user.post("/appointments", body=b"{", headers={"Content-Type": "application/json"}) \
            .expect((400, 503))
    finally:
        cluster.start()
    back = time.monotonic()
    while user.get(f"/practitioners/{doctor}/availability?date={FRIDAY}").status != 200:
        assert time.monotonic() - back < BACK_WITHIN, "not back within 2 s"
    user.book(doctor, FRIDAY, "14:00:00").expect(201)


def test_health_tells_that_the_database_is_away(site, cluster):
    assert site.api.get("/health").expect(200)["database"] == "up"
    cluster.stop("fast")
    try:
        answer = site.api.get("/health", check=False).expect(503)
        assert answer["database"] == "down"
    finally:
        cluster.start()
    site.api.get("/health").expect(200)


def test_a_graceful_restart_under_load_loses_nothing(site):
    with Load(site) as load:
        for _ in range(4):
            load.wait_for(15)
            site.httpd.graceful()
        load.wait_for(15)
    load.check(site.db)
    # A graceful restart may close an idle connection, no more.
    assert load.statuses.get(503, 0) == 0, \
        f"{load.statuses}\n{site.httpd.log_text()[-3000:]}"
    assert load.statuses.get("closed", 0) <= 4 * len(load.doctors), load.statuses


def test_the_server_starts_without_its_database(site, cluster, make_site):
    cluster.stop("fast")
    try:
        early = make_site(database=site.db)
        early.httpd.allow_log(AWAY, always=True)
        early.api.get("/practitioners").expect(503)
    finally:
        cluster.start()
    deadline = time.monotonic() + BACK_WITHIN
    while early.api.get("/practitioners").status != 200:
        assert time.monotonic() < deadline, "not back within 2 s"


# --- the pool --------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def small(make_site):
    """Two connections for everybody."""
    return make_site(vhost_conf="  BookingDBMax 2\n  BookingDBWait 500\n",
                     dbd={"keep": 2, "maximum": 2})


def test_an_exhausted_pool_answers_503_and_does_not_hang(small):
    small.httpd.allow_log(AWAY)
    doctor = seed.practitioner(small.db)
    blocker = small.db.connect()
    try:
        blocker.cursor().execute("LOCK TABLE appointments IN ACCESS EXCLUSIVE MODE")
        users = [small.api.as_client(f"waiting-{number}") for number in range(12)]

        def attempt(number):
            began = time.monotonic()
            answer = users[number].book(doctor, FRIDAY, f"{9 + number % 8:02}:00", timeout=30)
            return answer, time.monotonic() - began
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            for answer, took in pool.map(attempt, range(12)):
                answer.expect(503, "UNAVAILABLE")
                assert took < NEVER_LONGER, f"{took:.1f} s: {answer}"
    finally:
        blocker.rollback()
        blocker.close()
    small.api.as_client("afterwards").book(doctor, FRIDAY, "10:00:00").expect(201)
    assert small.db.value("SELECT count(*) FROM appointments WHERE practitioner_id = %s",
                          (doctor,)) == 1, "a request that was answered 503 was booked after all"


def test_a_small_pool_serves_many(small):
    small.httpd.allow_log(AWAY)
    doctor = seed.practitioner(small.db)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(
            lambda _: small.api.get(f"/practitioners/{doctor}/availability?date={FRIDAY}"),
            range(200)))
    assert {answer.status for answer in answers} == {200}


# --- a pooler in between ---------------------------------------------------------------------

@pytest.fixture(scope="module")
def pooled(cluster, make_site):
    db = cluster.create()
    # A pooler does not pass start-up options on.
    cluster.rows("postgres", f"ALTER DATABASE {db.name} SET search_path = {SCHEMA}, public")
    pooler = PgBouncer(cluster).start(db.name)
    yield make_site(database=db, dsn=pooler.dsn(db.name))
    pooler.stop()


def test_reading_booking_moving_and_cancelling_through_a_pooler(pooled):
    doctor = seed.practitioner(pooled.db)
    user = pooled.api.as_client("pooled")
    assert len(pooled.api.free(doctor, FRIDAY)) == 8
    identity = user.book(doctor, FRIDAY, "09:00:00",
                         videoMeetingConfig={"platform": "zoom"}).expect(201)["appointmentId"]
    user.put(f"/appointments/{identity}/reschedule",
             {"newDate": FRIDAY, "newTime": "10:00:00"}).expect(200)
    assert user.get(f"/appointments/{identity}").expect(200)["time"] == "10:00:00"
    user.put(f"/appointments/{identity}/cancel", {"reason": "Pool"}).expect(200)
    assert len(pooled.api.free(doctor, FRIDAY)) == 8


def test_two_hundred_mixed_requests_through_a_pooler(pooled):
    """Eight times 25: each client reads, books, moves, reads, cancels, with and without a key."""
    doctors = [seed.practitioner(pooled.db, slot=30) for _ in range(4)]
    numbers = []

    def one(number):
        user, doctor = pooled.api.as_client(f"mixed-{number}"), doctors[number % 4]
        date, hour = seed.day(FRIDAY, number % 5), 9 + number % 7
        yield user.get(f"/availability/search?from={FRIDAY}&to=2025-06-22")
        yield user.get(f"/practitioners/{doctor}/availability?date={date}")
        headers = {"Idempotency-Key": f"mixed-{number}"} if number % 2 else {}
        booked = user.post("/appointments", {"practitionerId": doctor, "date": date,
                                             "time": f"{hour:02}:00"}, headers=headers)
        yield booked
        yield user.get(f"/users/mixed-{number}/appointments")
        if booked.status == 201:
            path = f"/appointments/{booked['appointmentId']}"
            yield user.put(f"{path}/reschedule", {"newDate": date, "newTime": f"{hour:02}:30"})
            yield user.get(path)
            yield user.put(f"{path}/cancel", {"reason": "Mixed"})
            yield user.put(f"{path}/cancel", {})

    def all_of(number):
        for answer in one(number):
            numbers.append(answer.status)
            answer.expect((200, 201, 409))
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        list(pool.map(all_of, range(25)))
    assert numbers.count(201) >= 15, numbers
