"""A wrong configuration is found by `apache2 -t`, with the line and with advice."""
import os
import re

import pytest

from harness import httpd as httpd_module, tokens

HOST = """
<VirtualHost *:80>
  ServerName clinic.example
  DBDriver pgsql
  DBDParams "dbname=nowhere"
  BookingKey k1 file:{key}
  BookingIssuer {issuer}
  BookingAudience {audience}
{vhost}
  <Location /api>
    BookingEngine On
{location}
  </Location>
</VirtualHost>
"""


@pytest.fixture(scope="module")
def server():
    """A server that is never started."""
    server = httpd_module.Httpd(auth="")
    server.write()
    yield server
    server.destroy()


def check(server, text):
    server.write(text)
    return server.check()


def host(server, vhost="", location="", text=HOST, **replaced):
    values = {"key": server.key_file, "issuer": tokens.ISSUER, "audience": tokens.AUDIENCE,
              "vhost": vhost, "location": location, **replaced}
    for name, value in values.items():
        text = text.replace("{" + name + "}", str(value))
    return text


def line_of(server, needle):
    lines = server.conf.read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if needle in line)


GOOD = {
    "the least there is": {},
    "routes off": {"vhost": "BookingRoutes -appointments -schedules"},
    "routes on": {"vhost": "BookingRoutes +availability"},
    "guests": {"vhost": "BookingGuests On"},
    "guests at one place": {"location": "BookingGuests On\nBookingRoutes none +appointments"},
    "a body limit": {"location": "BookingBodyLimit 1024"},
    "roles": {"location": "AuthType None\nRequire booking-role therapist admin"},
    "old keys": {"vhost": "BookingKey k0 exec:/bin/echo " + "ab" * 32},
    "old keys, quoted": {"vhost": "BookingKey k0 'exec:/bin/echo " + "ab" * 32 + "'"},
    "in a directory": {"vhost": "<Directory /srv>\nBookingEngine On\n</Directory>"},
}


@pytest.mark.parametrize("name", GOOD)
def test_good_configurations_pass(server, name):
    status, output = check(server, host(server, **GOOD[name]))
    assert status == 0, output


NOT_HERE = "not allowed|cannot occur"

# name: what is put where, and a word that the message must hold
WRONG = {
    "an engine that is neither on nor off": ("location", "BookingEngine Maybe", "On|Off"),
    "an unknown group of routes": ("vhost", "BookingRoutes -telepathy", "telepathy"),
    "a group without a sign or a name": ("vhost", "BookingRoutes -", "group|route"),
    "a key file that is not there": ("vhost", "BookingKey k2 file:/nowhere/booking.key", "nowhere"),
    "a key without a file": ("vhost", "BookingKey k2", "BookingKey"),
    "a key id that is none": ("vhost", "BookingKey 'k 2' file:{key}", "id|name"),
    "a key twice": ("vhost", "BookingKey k1 file:{key}", "k1|twice|already"),
    "a key of an unknown source": ("vhost", "BookingKey k2 vault:/x", "file:|env:|exec:"),
    "a key in a variable that is not set":
        ("vhost", "BookingKey k2 env:BOOKING_NO_SUCH_KEY", "BOOKING_NO_SUCH_KEY"),
    "a key from a command that fails": ("vhost", "BookingKey k2 exec:/bin/false", "/bin/false"),
    "a key where only locations are": ("location", "BookingKey k2 file:{key}", NOT_HERE),
    "a clock where only locations are": ("location", "BookingTestClock On", NOT_HERE),
    "a time to live that is none": ("vhost", "BookingManageTTL soon", "BookingManageTTL"),
    "a negative time to live": ("vhost", "BookingManageTTL -1", "BookingManageTTL"),
    "a body limit that is none": ("vhost", "BookingBodyLimit big", "BookingBodyLimit"),
    "a wait that is none": ("vhost", "BookingDBWait 0x", "BookingDBWait"),
    "an address that is none": ("vhost", "BookingPublicURL www.clinic.example", "http"),
    "an address of another kind": ("vhost", "BookingPublicURL ftp://clinic.example", "http"),
    "preparing sometimes": ("vhost", "BookingDBPrepare Sometimes", "Auto"),
    "a role that nobody has":
        ("location", "Require booking-role wizard", "wizard|booking-role|client"),
    "no role": ("location", "Require booking-role", "booking-role"),
    "a number that is none": ("vhost", "BookingDBMax many", "number|many"),
    "a number below the range": ("vhost", "BookingDBMax -1", "-1|between|range|least|number"),
    "a switch that is neither": ("vhost", "BookingGuests Perhaps", "On|Off"),
    "no prefix of claims": ("location", 'BookingIdentityPrefix ""', "BookingIdentityPrefix"),
    "a prefix with a blank": ("location", "BookingIdentityPrefix 'A B'", "BookingIdentityPrefix"),
    "a role's variable with a blank": ("location", "BookingRoleEnv 'A B'", "BookingRoleEnv"),
    "an empty issuer": ("location", 'BookingIssuer ""', "BookingIssuer"),
    "an empty audience": ("location", 'BookingAudience ""', "BookingAudience"),
    "a directive that does not exist": ("vhost", "BookingTeleport On", "BookingTeleport"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_configurations_are_found_with_their_line(server, name):
    where, directive, words = WRONG[name]
    directive = directive.replace("{key}", str(server.key_file))
    status, output = check(server, host(server, **{where: directive}))
    assert status != 0, f"accepted: {directive}"
    numbered = re.search(r"line (\d+) of (\S+?):", output)
    assert numbered, f"no line in: {output}"
    lines = server.conf.read_text().splitlines()
    assert lines[int(numbered.group(1)) - 1].strip() == directive, output
    assert numbered.group(2) == str(server.conf)
    assert re.search(words, output), f"no help in: {output}"


KEYS = {"empty": "", "too short": "a" * 10, "no hexadecimal": "z" * 64, "too long": "a" * 200,
        "binary": "\x00\x01\x02"}


@pytest.mark.parametrize("name", KEYS)
def test_a_key_of_the_wrong_form_is_found(server, name):
    path = server.root / "conf" / "wrong.key"
    path.write_text(KEYS[name])
    os.chmod(path, 0o600)
    status, output = check(server, host(server, key=path))
    assert status != 0, "accepted"
    assert str(path) in output or "BookingKey" in output, output
    assert not KEYS[name] or len(KEYS[name]) < 10 or KEYS[name] not in output, \
        "the key is in the message"


@pytest.mark.parametrize("missing, words", [
    ("DBDriver pgsql", "DBDriver"),
    ('DBDParams "dbname=nowhere"', "DBDParams|DBD"),
    ("BookingKey k1 file:{key}", "BookingKey")])
def test_what_is_missing_is_named(server, missing, words):
    status, output = check(server, host(server, text=HOST.replace(missing, "")))
    assert status != 0, f"accepted without {missing}"
    assert re.search(words, output), output


def test_another_database_driver_is_refused(server):
    status, output = check(server, host(server, text=HOST.replace("DBDriver pgsql",
                                                                  "DBDriver sqlite3")))
    assert status != 0, "accepted"
    # Where the driver is not even installed, Apache says so first.
    assert "pgsql" in output or "Can't load driver" in output, output


def test_the_module_alone_asks_for_nothing(server):
    """Loaded, but nowhere switched on: the server starts as before."""
    status, output = check(server, "")
    assert status == 0, output


def test_it_says_so_when_mod_dbd_is_missing(server, monkeypatch):
    monkeypatch.setattr(httpd_module, "BASE_MODULES",
                        tuple(name for name in httpd_module.BASE_MODULES if name != "dbd"))
    text = host(server, text=HOST.replace("DBDriver pgsql", "")
                .replace('DBDParams "dbname=nowhere"', ""))
    status, output = check(server, text)
    assert status != 0 and "mod_dbd" in output, output


def test_the_directives_explain_themselves(server):
    """`apache2 -L` lists each directive with its contexts and a sentence."""
    import subprocess
    server.write("")
    done = subprocess.run(server._command("-L"), env=server._environment(), capture_output=True,
                          text=True)
    listed = re.findall(r"^(Booking\w+) \(mod_booking\.c\)\n\t(.+)\n\tAllowed in (.+)$",
                        done.stdout, re.M)
    assert {"BookingEngine", "BookingKey", "BookingRoutes"} <= {row[0] for row in listed}
    for name, sentence, _ in listed:
        assert len(sentence) > 10, f"{name} is explained by {sentence!r}"
