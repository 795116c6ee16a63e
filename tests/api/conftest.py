"""Fixtures of the API tests. A test module gets one httpd and one database of its own.

A module that needs another server overrides the fixture `site_options` (keyword arguments of
harness.httpd.Httpd), or makes its own with `make_site`.
"""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from harness import build, client, clock as clock_module  # noqa: E402
from harness.cluster import Cluster  # noqa: E402
from harness.httpd import Httpd  # noqa: E402


class Site:
    """A server, its database, its clock, and a client of it."""

    def __init__(self, httpd, db, clock):
        self.httpd, self.db, self.clock = httpd, db, clock
        self.api = client.Api(httpd)


class SiteMaker:
    def __init__(self, cluster):
        self.cluster = cluster
        self.made = []

    def __call__(self, start=True, now=clock_module.START, database=None, **options):
        """Httpd's options; now=None: the system's clock; database=False: none."""
        db = self.cluster.create() if database is None else database or None
        httpd = Httpd(database=db, **options)
        self.made.append(httpd)
        if now is not None:
            httpd.clock = clock_module.Clock(httpd.root / "now", now)
        httpd.write()
        if start:
            httpd.start()
        return Site(httpd, db, httpd.clock)

    def destroy(self):
        troubles = []
        for httpd in self.made:
            try:
                httpd.destroy()
            except AssertionError as trouble:
                troubles.append(str(trouble))
        assert not troubles, "\n".join(troubles)


def pytest_sessionstart(session):
    missing = build.missing()
    if missing and not session.config.option.collectonly:
        raise pytest.UsageError(f"not built: {missing} (environment BOOKING_BUILD names the "
                                "directory of the build)")


@pytest.fixture(scope="session")
def cluster():
    cluster = Cluster()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.destroy()


@pytest.fixture(scope="module")
def make_site(cluster):
    maker = SiteMaker(cluster)
    yield maker
    maker.destroy()


@pytest.fixture(scope="module")
def site_options():
    return {}


@pytest.fixture(scope="module")
def site(make_site, site_options):
    return make_site(**site_options)


@pytest.fixture(scope="module")
def httpd(site):
    return site.httpd


@pytest.fixture(scope="module")
def api(site):
    return site.api


@pytest.fixture(scope="module")
def db(site):
    return site.db


@pytest.fixture
def clock(site):
    """The module's clock; every test finds it at the same instant."""
    site.clock.reset()
    yield site.clock
    site.clock.reset()


@pytest.fixture(autouse=True)
def error_log_guard():
    """Fails a test that made any server complain, or log what is nobody's business."""
    yield
    complaints = []
    for httpd in Httpd.live:
        complaints += httpd.take_complaints(client.CANARIES.words)
    if complaints:
        shown = "\n".join(complaints[:30])
        pytest.fail(f"unexpected lines in the error log:\n{shown}", pytrace=False)
