"""Beside a web application in the same document root: whose is which address.

The application is a static page that a rewrite rule answers everything with, as the front
controllers of the well-known PHP programs do.
"""
import os

import pytest

from harness import contract, seed

FRIDAY = "2025-06-20"
PAGE = "<!doctype html><title>The site</title>front controller\n"

WORDPRESS = """
# BEGIN WordPress
<IfModule mod_rewrite.c>
RewriteEngine On
RewriteRule .* - [E=HTTP_AUTHORIZATION:%{{HTTP:Authorization}}]
RewriteBase {base}
RewriteRule ^index\\.html$ - [L]
RewriteCond %{{REQUEST_FILENAME}} !-f
RewriteCond %{{REQUEST_FILENAME}} !-d
RewriteRule . {base}index.html [L]
</IfModule>
# END WordPress
"""

FALLBACK = "FallbackResource {base}index.html\n"
FRONTS = {"WordPress": WORDPRESS, "FallbackResource": FALLBACK, "no application": ""}

# The server knows of the key and the database; the rest is the .htaccess's.
OPTIONS = {"allow_override": "All", "engine_on": "", "auth": ""}


class Docroot:
    def __init__(self, site):
        self.site = site
        self.root = site.httpd.docroot
        self.write("index.html", PAGE)
        self.write("style.css", "body {}\n")
        self.write("blog/post.html", "a post\n")

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.chmod(path, 0o644)

    def htaccess(self, front, lines, base="/"):
        self.write(base.strip("/") + "/.htaccess" if base != "/" else ".htaccess",
                   lines + "\n" + FRONTS[front].format(base=base))


@pytest.fixture(scope="module")
def site_options():
    # <Location> of the harness must not cover the API here.
    return {**OPTIONS, "prefix": "/nothing-of-ours"}


@pytest.fixture
def docroot(site, clock):
    docroot = Docroot(site)
    yield docroot
    for path in site.httpd.docroot.rglob(".htaccess"):
        path.unlink()


def check_api(site, prefix):
    """The API answers under the prefix, success and failure alike."""
    api = site.api.anonymous()
    api.prefix = prefix
    doctor = seed.practitioner(site.db)
    api.get("/health").expect(200)
    assert len(api.slots(doctor, FRIDAY)) == 8
    api.get(f"/practitioners/{doctor}").expect(200)
    api.get("/nothing-here").expect(404)
    api.delete("/health").expect(405)
    api.post("/appointments", {"practitionerId": doctor}).expect(401)
    api.post("/appointments", body=b"{", headers={"Content-Type": "application/json"}) \
       .expect((400, 401))


def check_pages(site, base, front):
    api = site.api
    page = lambda path: api.get("/" + base + path, check=False)
    assert page("index.html").expect(200).content == PAGE.encode()
    page("style.css").expect(200)
    for path in ("about-us/", "apiary", "wp-json/wp/v2/posts", "api.html", "xapi/health"):
        answer = page(path)
        if front == "no application":
            assert answer.status == 404
            assert answer.headers["Content-Type"].startswith("text/html"), str(answer)
        else:
            assert answer.expect(200).content == PAGE.encode()


@pytest.mark.parametrize("front", FRONTS)
def test_the_api_is_ours_and_all_else_the_sites(site, docroot, front):
    docroot.htaccess(front, "BookingEngine On")
    check_api(site, "/api")
    site.api.prefix = "/"
    check_pages(site, "/", front)


@pytest.mark.parametrize("front", FRONTS)
def test_in_a_subdirectory(site, docroot, front):
    docroot.write("clinic/index.html", PAGE)
    docroot.write("clinic/style.css", "body {}\n")
    docroot.htaccess(front, "BookingEngine On", "/clinic/")
    check_api(site, "/clinic/api")
    check_pages(site, "/clinic/", front)
    outside = site.api.get("//api/health", check=False).expect(404)
    assert outside.headers["Content-Type"].startswith("text/html"), str(outside)


@pytest.mark.parametrize("front", FRONTS)
def test_switched_off_it_is_the_sites_again(site, docroot, front):
    docroot.htaccess(front, "BookingEngine Off")
    answer = site.api.get("//api/health", check=False)
    if front == "no application":
        answer.expect(404)
    else:
        assert answer.expect(200).content == PAGE.encode()


def test_a_directory_named_api_does_not_matter(site, docroot):
    docroot.write("api/health", "a file of the site\n")
    docroot.htaccess("WordPress", "BookingEngine On")
    try:
        check_api(site, "/api")
    finally:
        (docroot.root / "api" / "health").unlink()
        (docroot.root / "api").rmdir()


def test_groups_are_switched_off_in_htaccess(site, docroot):
    docroot.htaccess("WordPress", "BookingEngine On\nBookingRoutes -appointments")
    api = site.api.anonymous()
    api.prefix = "/api"
    api.post("/appointments", {}).expect(404, "NOT_FOUND")
    description = api.get("/openapi.json").expect(200)
    for method, template, group, _ in contract.ROUTES:
        described = method.lower() in {
            name for path, item in description["paths"].items() if path.endswith(template)
            and path.count("/") - template.count("/") in (0, 1) for name in item}
        assert described == (group != "appointments"), (method, template)


SERVER_ONLY = [
    "BookingKey k9 file:/etc/passwd", "BookingTestClock On", "BookingIssuer https://evil",
    "BookingAudience evil", "BookingDBMax 1", "BookingGuests On", "BookingIdentityPrefix EVIL_",
    "BookingRoleEnv EVIL", "BookingPublicURL https://evil"]


@pytest.mark.parametrize("line", SERVER_ONLY)
def test_what_only_the_server_may_set_is_an_error(site, httpd, docroot, line):
    httpd.allow_log(r"not allowed here|AH00526|core:alert")
    docroot.htaccess("no application", f"BookingEngine On\n{line}")
    site.api.get("//index.html", check=False).expect(500)
    assert "not allowed here" in httpd.log_text()


def test_a_location_of_the_server_wins_over_wordpress(make_site):
    located = make_site(allow_override="All")
    docroot = Docroot(located)
    docroot.htaccess("WordPress", "")
    check_api(located, "/api")
    assert located.api.get("//about-us/", check=False).expect(200).content == PAGE.encode()
    user = located.api.as_client("writer")
    doctor = seed.practitioner(located.db)
    user.book(doctor, FRIDAY, "14:00:00").expect(201)


def test_identity_counts_beside_wordpress(make_site):
    """Authentication of <Location /api> holds although the .htaccess says otherwise."""
    located = make_site(allow_override="All")
    docroot = Docroot(located)
    docroot.htaccess("WordPress", '<If "true">\nRequire all granted\n</If>\n'
                                  "SetEnvIf Request_URI . OAUTH2_CLAIM_role=admin\n"
                                  "SetEnvIf Request_URI . OAUTH2_CLAIM_sub=admin-1\n")
    doctor = seed.practitioner(located.db)
    located.api.get(f"/practitioners/{doctor}/schedules").expect(401)
    located.api.as_client("plain").get(f"/practitioners/{doctor}/schedules").expect((401, 403))
