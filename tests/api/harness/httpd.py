"""An httpd of our own: a ServerRoot in a temporary directory, a free port on 127.0.0.1."""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from . import build, tokens, wait

# Identity may be missing; a token that is sent must be good.
OPTIONAL_TOKEN = """
      AuthType oauth2
      AuthName booking
      OAuth2TokenVerify plain {secret} verify.exp=required&expiry=0&verify.cache=tests
      OAuth2TargetPass headers=Off&envvars=On
      AuthzSendForbiddenOnFailure On
      <RequireAny>
        Require expr "! -n req('Authorization')"
        <RequireAll>
          Require oauth2_claim iss:{issuer}
          Require oauth2_claim aud:{audience}
        </RequireAll>
      </RequireAny>
"""

BASE_MODULES = ("authn_core", "authz_core", "authz_host", "dbd", "dir", "mime", "alias", "env",
                "setenvif", "headers", "rewrite", "unique_id", "reqtimeout", "status")

ENGINES = {
    "event": """
        StartServers 1
        ServerLimit 4
        ThreadsPerChild 48
        MaxRequestWorkers 96
        MinSpareThreads 8
        MaxSpareThreads 96
        KeepAliveTimeout 15""",
    "prefork": """
        StartServers 16
        MinSpareServers 16
        MaxSpareServers 100
        ServerLimit 100
        MaxRequestWorkers 100
        KeepAliveTimeout 2""",
}

SERVER = """
ServerRoot {root}
PidFile run/httpd.pid
Mutex file:{root}/run default
ErrorLog logs/error.log
LogLevel {log_level}
ServerName clinic.example
Listen 127.0.0.1:{port}
MaxKeepAliveRequests 0
GracefulShutdownTimeout 10
{load}
{user}
TypesConfig /etc/mime.types
{engine}
LogFormat "%h %>s %D %{{X-Request-Id}}o \\"%m %U\\"" api
CustomLog logs/access.log api
<Directory />
  AllowOverride None
  Require all denied
</Directory>
<Directory {docroot}>
  Options FollowSymLinks
  AllowOverride {allow_override}
  Require all granted
</Directory>
{extra}
"""

HOST = """
<VirtualHost 127.0.0.1:{port}>
  ServerName clinic.example
  DocumentRoot {docroot}
{database}
{booking}
{vhost}
  <Location {prefix}>
    {engine_on}
{auth}
{location}
  </Location>
</VirtualHost>
"""

DATABASE = """
  DBDriver pgsql
  DBDParams "{dsn}"
  DBDMin {minimum}
  DBDKeep {keep}
  DBDMax {maximum}
"""

# What every connection is told; a pooler between drops it.
SESSION = ("connect_timeout=3 options='-c search_path=booking,public"
           " -c plan_cache_mode=force_generic_plan -c statement_timeout=5000'")

BOOKING = """
  BookingKey {key_id} file:{key_file}
  BookingIssuer {issuer}
  BookingAudience {audience}
  BookingTestClock {test_clock}
"""

# Crashes and sanitizer reports are logged below "warn" or without a level.
_ALARM = re.compile(r"exit signal|AH0005[12]|Sanitizer|runtime error:|double free|"
                    r"corrupted|malloc\(\)|assertion", re.IGNORECASE)
_LEVEL = re.compile(r"^\[[^\]]+\] \[([a-z0-9_]*):(\w+)\]")
_LOUD = {"emerg", "alert", "crit", "error", "warn"}
_USUAL = [
    r"AH00094",  # the command line, at start
    r"AH00489", r"AH00490", r"AH00491", r"AH00492", r"AH00493", r"AH00494",
]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def new_key():
    """Text of a key file, as bookingctl makes it."""
    return build.ctl("key", "new").stdout


class Httpd:
    """One server. Nothing runs before start(); write() alone serves tests of configurations.

    database         a cluster.Database; None: no DBD directives
    dsn              instead of the database's own
    clock            a clock.Clock; None: the system's clock
    server_conf      outside the virtual host; {port} in it is the server's
    vhost_conf       inside it
    location_conf    inside <Location prefix>
    booking_conf     replaces the BookingXxx directives of the virtual host
    auth             replaces the optional bearer token; "" for none
    engine_on        what switches the module on in <Location>; "" when .htaccess does
    modules          further modules by short name
    """

    live = []  # every server made and not yet forgotten, for the log guard

    def __init__(self, database=None, dsn=None, clock=None, mpm="event", prefix="/api",
                 server_conf="", vhost_conf="", location_conf="", booking_conf=None, auth=None,
                 engine_on="BookingEngine On", allow_override="None", docroot=None, modules=(),
                 env=None, dbd=None, log_level=None, load_booking=True, key=None):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="bk-httpd-", dir="/tmp"))
        os.chmod(self.root, 0o755)
        for name in ("conf", "logs", "run", "htdocs"):
            (self.root / name).mkdir()
        self.database = database
        self.dsn = dsn or (f"{database.dsn()} {SESSION}" if database else None)
        self.clock = clock
        self.mpm = mpm
        self.prefix = prefix
        self.server_conf = server_conf
        self.vhost_conf = vhost_conf
        self.location_conf = location_conf
        self.booking_conf = booking_conf
        self.auth = auth
        self.engine_on = engine_on
        self.allow_override = allow_override
        self.docroot = pathlib.Path(docroot) if docroot else self.root / "htdocs"
        self.modules = modules
        self.env = env or {}
        self.dbd = {"minimum": 0, "keep": 10, "maximum": 10, **(dbd or {})}
        self.log_level = log_level
        self.load_booking = load_booking
        self.key = key
        self.port = free_port()
        self.process = None
        self.allowed = []
        self.allowed_always = list(_USUAL)
        self._log_read = 0
        Httpd.live.append(self)

    # --- configuration -------------------------------------------------------------------

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def error_log(self):
        return self.root / "logs" / "error.log"

    @property
    def conf(self):
        return self.root / "conf" / "httpd.conf"

    @property
    def key_file(self):
        return self.root / "conf" / "booking.key"

    def load_lines(self):
        names = [f"mpm_{self.mpm}", *BASE_MODULES, *self.modules]
        if self.auth is None or "oauth2" in self.auth:
            names.append("oauth2")
        lines = [f"LoadModule {name}_module {build.MODULES}/mod_{name}.so" for name in names]
        if self.load_booking:
            lines.append(f"LoadModule booking_module {build.MODULE}")
        if "oauth2" in names:
            lines.append("OAuth2Cache shm name=tests&max_entries=2000")
        return "\n".join(lines)

    def auth_lines(self):
        text = OPTIONAL_TOKEN if self.auth is None else self.auth
        return text.replace("{secret}", tokens.SECRET).replace("{issuer}", tokens.ISSUER) \
                   .replace("{audience}", tokens.AUDIENCE)

    def booking_lines(self):
        if not self.load_booking:
            return ""
        text = BOOKING if self.booking_conf is None else self.booking_conf
        values = {"key_id": "k1", "key_file": self.key_file, "issuer": tokens.ISSUER,
                  "audience": tokens.AUDIENCE, "test_clock": "On" if self.clock else "Off"}
        for name, value in values.items():
            text = text.replace("{" + name + "}", str(value))
        return text

    def host_lines(self):
        database = DATABASE.format(dsn=self.dsn, **self.dbd) if self.dsn else ""
        return HOST.format(port=self.port, docroot=self.docroot, prefix=self.prefix,
                           database=database, booking=self.booking_lines(),
                           vhost=self.vhost_conf, auth=self.auth_lines(),
                           engine_on=self.engine_on if self.load_booking else "",
                           location=self.location_conf)

    def write(self, text=None):
        """Writes the key file and httpd.conf; *text* replaces everything after the modules."""
        if self.load_booking and not self.key_file.exists():
            self.key_file.write_text(self.key or new_key())
            os.chmod(self.key_file, 0o600)  # read once at start, as root
        user = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
        level = self.log_level or ("info booking:debug" if self.load_booking else "info")
        server = SERVER.format(
            root=self.root, port=self.port, load=self.load_lines(), user=user, log_level=level,
            engine=ENGINES[self.mpm], docroot=self.docroot, allow_override=self.allow_override,
            extra=self.server_conf.replace("{port}", str(self.port)))
        self.conf.write_text(server + (self.host_lines() if text is None else text))
        return self

    # --- running -------------------------------------------------------------------------

    def _command(self, *arguments):
        return [build.APACHE, "-d", str(self.root), "-f", str(self.conf), *arguments]

    def _environment(self):
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8",
               **build.sanitizer_env(), **self.env}
        if self.clock:
            env["BOOKING_NOW"] = self.clock.path
        return env

    def check(self):
        """`apache2 -t`: exit status and everything it wrote."""
        done = subprocess.run(self._command("-t"), env=self._environment(), timeout=60,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace")
        return done.returncode, done.stdout

    def start(self, seconds=20):
        for attempt in range(5):
            self.write()
            console = open(self.root / "logs" / "console.log", "wb")
            self.process = subprocess.Popen(
                self._command("-D", "FOREGROUND"), env=self._environment(), cwd=self.root,
                stdin=subprocess.DEVNULL, stdout=console, stderr=console,
                start_new_session=True)
            console.close()
            try:
                wait.until(self._serves, "httpd to serve", seconds)
                return self
            except AssertionError:
                self.kill()
                if "Address already in use" not in self.everything_written():
                    raise
                self.port = free_port()  # somebody was quicker
        raise AssertionError("no free port in five attempts")

    def _serves(self):
        if self.process.poll() is not None:
            raise AssertionError("httpd ended at start:\n" + self.everything_written())
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1):
                return True
        except OSError:
            return False

    def everything_written(self):
        written = ""
        for name in ("console.log", "error.log"):
            path = self.root / "logs" / name
            if path.exists():
                written += path.read_text(errors="replace")
        return written

    def signal(self, number):
        self.process.send_signal(number)

    def _next_start(self, action):
        """Sends a signal and waits for the log line with which the new generation begins."""
        def starts():
            return self.error_log.read_text(errors="replace").count("resuming normal operations")
        before = starts()
        self.signal(action)
        wait.until(lambda: starts() > before, "httpd to read its configuration again", 20)

    def graceful(self):
        self._next_start(signal.SIGUSR1)

    def restart(self):
        self._next_start(signal.SIGHUP)

    def reload(self, **changes):
        """Changes attributes (location_conf=...) and starts anew at the same port."""
        for name, value in changes.items():
            assert hasattr(self, name), name
            setattr(self, name, value)
        self.stop()
        self.start()

    def children(self):
        """Process ids of the server's children."""
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        with open(path) as file:
            return [int(pid) for pid in file.read().split()]

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        # Told to end while a thread gives back a connection, the event MPM may close its socket
        # twice and crash, with or without this module; nothing tells when all threads are idle.
        time.sleep(0.1)
        self.signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("httpd did not stop within 30 s") from None

    def destroy(self):
        """Stops the server; its complaints of the last moment still count."""
        try:
            self.stop()
            complaints = self.take_complaints()
        finally:
            self.kill()
            if self in Httpd.live:
                Httpd.live.remove(self)
            if not os.environ.get("BOOKING_KEEP"):
                shutil.rmtree(self.root, ignore_errors=True)
        assert not complaints, "unexpected lines in the error log:\n" + "\n".join(complaints)

    # --- the error log -------------------------------------------------------------------

    def allow_log(self, pattern, always=False):
        """Lines that match are expected: until the end of this test, or always."""
        (self.allowed_always if always else self.allowed).append(pattern)

    def log_text(self):
        if not self.error_log.exists():
            return ""
        return self.error_log.read_text(errors="replace")

    def take_log(self):
        """What was logged since the last call."""
        if not self.error_log.exists():
            return ""
        with open(self.error_log, "rb") as file:
            file.seek(self._log_read)
            new = file.read()
        self._log_read += len(new)
        return new.decode(errors="replace")

    def take_complaints(self, secrets=()):
        """Lines since the last call that no test expects, and lines that hold a secret."""
        text = self.take_log()
        lines = [line for line in text.splitlines() if self._is_unexpected(line)]
        for secret in secrets:
            if secret in text:
                where = next(line for line in text.splitlines() if secret in line)
                lines.append(f"personal data or a secret was logged ({secret!r}): {where}")
        self.allowed = []
        return lines

    def _is_unexpected(self, line):
        if not line.strip():
            return False
        if any(re.search(pattern, line) for pattern in self.allowed + self.allowed_always):
            return False
        if _ALARM.search(line):
            return True
        found = _LEVEL.match(line)
        return found is None or found.group(2) in _LOUD
