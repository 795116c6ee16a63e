"""The programs measured, each started here and ended here: PostgreSQL, httpd, Node."""
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

import psycopg2
import psycopg2.extras

BENCH = pathlib.Path(__file__).resolve().parents[1]
TOP = BENCH.parents[1]
OWNER = "booking"
SESSION = ("connect_timeout=3 options='-c search_path=booking,public"
           " -c plan_cache_mode=force_generic_plan -c statement_timeout=30000'")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(holds, what, seconds=30):
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            raise SystemExit(f"bench: waited {seconds} s for {what}")
        time.sleep(0.05)


def port_open(port):
    with socket.socket() as s:
        s.settimeout(0.5)
        return s.connect_ex(("127.0.0.1", port)) == 0


class Process:
    """A program that runs until stop(), which names it by its own pid."""
    process = None

    def spawn(self, command, log, **options):
        with open(log, "ab") as out:
            self.process = subprocess.Popen([str(word) for word in command], stdout=out,
                                            stderr=out, stdin=subprocess.DEVNULL,
                                            start_new_session=True, **options)

    @property
    def pid(self):
        return self.process.pid

    def stop(self, sign=signal.SIGTERM):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(sign)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


# --- PostgreSQL ----------------------------------------------------------------------------

POSTGRES_SETTINGS = """
listen_addresses = ''
unix_socket_directories = '{socket}'
max_connections = 300
shared_buffers = 1GB
max_wal_size = 16GB
checkpoint_timeout = 1h
jit = off
fsync = on
synchronous_commit = on
autovacuum = off
timezone = 'UTC'
shared_preload_libraries = 'pg_stat_statements'
pg_stat_statements.track = none
log_min_messages = warning
"""


def as_postgres(command):
    """The command, run by the user postgres when we are root: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return command
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", *command]


class Postgres(Process):
    def __init__(self, work):
        self.work = work / "postgres"
        self.data = self.work / "data"
        self.log = work / "postgres.log"
        self.bin = self._bin()
        self.stamp = work / "stamp.json"

    @staticmethod
    def _bin():
        if "PG_BIN" in os.environ:
            return pathlib.Path(os.environ["PG_BIN"])
        versions = pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres")
        return max(versions, key=lambda path: float(path.parts[-3])).parent

    def start(self):
        """Starts the cluster, making it first when there is none."""
        if not (self.data / "PG_VERSION").exists():
            shutil.rmtree(self.work, ignore_errors=True)
            self.work.mkdir(parents=True)
            if os.geteuid() == 0:
                shutil.chown(self.work, "postgres", "postgres")
            os.chmod(self.work, 0o755)
            subprocess.run(as_postgres([self.bin / "initdb", "-D", self.data, "-U", "postgres",
                                        "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"]),
                           check=True, capture_output=True, cwd=self.work)
            with open(self.data / "postgresql.conf", "a") as conf:
                conf.write(POSTGRES_SETTINGS.format(socket=self.work))
        if (self.data / "postmaster.pid").exists():
            pid = int((self.data / "postmaster.pid").read_text().split()[0])
            if pathlib.Path(f"/proc/{pid}").exists():
                raise SystemExit(f"bench: {self.data} is in use by process {pid}")
        self.spawn(as_postgres([self.bin / "postgres", "-D", self.data]), self.log, cwd=self.work)
        wait_until(self._answers, "PostgreSQL to answer", 60)

    def _answers(self):
        if self.process.poll() is not None:
            raise SystemExit("bench: PostgreSQL ended at start:\n" + self.log.read_text()[-2000:])
        try:
            self.connect("postgres").close()
            return True
        except psycopg2.OperationalError:
            return False

    def stop(self, sign=signal.SIGINT):
        super().stop(sign)

    def dsn(self, database, user=OWNER):
        return f"host={self.work} dbname={database} user={user}"

    def connect(self, database, user="postgres"):
        connection = psycopg2.connect(self.dsn(database, user), connect_timeout=3,
                                      options="-c search_path=booking,public")
        connection.autocommit = True
        return connection

    def rows(self, database, *statements):
        """Runs the statements; the last one's rows, if it has any."""
        connection = self.connect(database)
        try:
            with connection.cursor(cursor_factory=psycopg2.extras.DictCursor) as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def value(self, database, *statements):
        return self.rows(database, *statements)[0][0]


# --- httpd ---------------------------------------------------------------------------------

HTTPD_CONF = """
ServerRoot "{root}"
ServerName localhost
Listen 127.0.0.1:{port}
PidFile "{root}/httpd.pid"
DefaultRuntimeDir "{root}"
{user}
LoadModule mpm_event_module   {modules}/mod_mpm_event.so
LoadModule authn_core_module  {modules}/mod_authn_core.so
LoadModule authn_anon_module  {modules}/mod_authn_anon.so
LoadModule auth_basic_module  {modules}/mod_auth_basic.so
LoadModule authz_core_module  {modules}/mod_authz_core.so
LoadModule authz_user_module  {modules}/mod_authz_user.so
LoadModule headers_module     {modules}/mod_headers.so
LoadModule reqtimeout_module  {modules}/mod_reqtimeout.so
LoadModule setenvif_module    {modules}/mod_setenvif.so
LoadModule unique_id_module   {modules}/mod_unique_id.so
LoadModule dbd_module         {modules}/mod_dbd.so
LoadModule booking_module     "{module}"

ServerLimit           2
StartServers          2
ThreadLimit           160
ThreadsPerChild       160
MaxRequestWorkers     320
MinSpareThreads       1
MaxSpareThreads       320
MaxKeepAliveRequests  0
KeepAliveTimeout      30
RequestReadTimeout header=10-20,MinRate=500 body=10-60,MinRate=500

ErrorLog "{root}/error.log"
LogLevel warn
LogFormat "{{\\"ts\\":\\"%{{%Y-%m-%dT%H:%M:%S}}t\\",\\"id\\":\\"%{{UNIQUE_ID}}e\\",\\"method\\":\\"%m\\",\\"route\\":\\"%{{booking-route}}n\\",\\"status\\":%>s,\\"us\\":%D,\\"out\\":%B}}" api
CustomLog "{root}/access.log" api

DBDriver  pgsql
DBDParams "{dsn}"
DBDMin    8
DBDKeep   8
DBDMax    8
BookingDBMax 8
BookingKey bench "file:{root}/booking.key"

DocumentRoot "{root}/htdocs"
<Directory />
  AllowOverride None
  Require all denied
</Directory>
<Directory "{root}/htdocs">
  Require all granted
</Directory>
<Location "/api">
  BookingEngine On
  BookingGuests On
  Require all granted
</Location>
# Whoever says a name is that user: identity without the cost of proving it.
<Location "/own/api">
  BookingEngine On
  AuthType Basic
  AuthName bench
  AuthBasicProvider anon
  Anonymous *
  Require valid-user
</Location>
"""


class Httpd(Process):
    def __init__(self, work, name, build, dsn):
        self.root = work / f"httpd-{name}"
        self.build = build
        self.dsn = dsn
        self.port = free_port()
        self.program = os.environ.get("APACHE", "/usr/sbin/apache2")
        self.modules = os.environ.get("APACHE_MODULES", "/usr/lib/apache2/modules")

    def start(self):
        shutil.rmtree(self.root, ignore_errors=True)
        (self.root / "htdocs").mkdir(parents=True)
        # Always the same key: with another one, every guest would be a new person.
        (self.root / "booking.key").write_text("be" * 32 + "\n")
        user = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
        conf = self.root / "httpd.conf"
        conf.write_text(HTTPD_CONF.format(
            root=self.root, port=self.port, user=user, modules=self.modules,
            module=self.build / ".libs" / "mod_booking.so", dsn=self.dsn.replace('"', '')))
        self.spawn([self.program, "-d", self.root, "-f", conf, "-D", "FOREGROUND"],
                   self.root / "error.log")
        wait_until(self._answers, "httpd to listen")

    def _answers(self):
        if self.process.poll() is not None:
            raise SystemExit("bench: httpd ended at start:\n" +
                             (self.root / "error.log").read_text()[-2000:])
        return port_open(self.port)

    def file(self, name, content):
        (self.root / "htdocs" / name).write_bytes(content)

    def log_truncate(self):
        os.truncate(self.root / "access.log", 0)

    def errors(self):
        """Lines of the error log above the usual."""
        text = (self.root / "error.log").read_text()
        return [line for line in text.splitlines() if re.search(r":(error|crit|alert|emerg)\]", line)]


# --- Node ----------------------------------------------------------------------------------

def node_modules(work):
    """Installs the rivals' packages outside the tree, once for each package.json."""
    target = work / "node"
    package = (BENCH / "node" / "package.json").read_bytes()
    stamp = target / "installed"
    digest = hashlib.sha256(package).hexdigest()
    target.mkdir(parents=True, exist_ok=True)
    for source in (BENCH / "node").iterdir():
        if source.is_file():
            shutil.copy(source, target / source.name)
    if not (stamp.exists() and stamp.read_text() == digest):
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--no-package-lock",
                        "--loglevel=error"], cwd=target, check=True)
        stamp.write_text(digest)
    return target


def node_versions(work):
    found = {}
    for name in json.loads((BENCH / "node" / "package.json").read_text())["dependencies"]:
        package = work / "node" / "node_modules" / name / "package.json"
        found[name] = json.loads(package.read_text())["version"]
    found["node"] = subprocess.run(["node", "--version"], capture_output=True,
                                   text=True).stdout.strip().lstrip("v")
    return found


class Node(Process):
    def __init__(self, work, script, postgres, database, statements):
        self.work, self.script = work, script
        self.port = free_port()
        self.environment = dict(
            os.environ, NODE_ENV="production", TZ="UTC", PORT=str(self.port), WORKERS="2",
            POOL="16", PG_SOCKET=str(postgres.work), PG_DATABASE=database, PG_USER=OWNER,
            SQL_BUSY=statements["busy"], SQL_BOOK=statements["book"])

    def start(self):
        directory = node_modules(self.work)
        log = self.work / f"{self.script}.log"
        log.write_text("")
        self.spawn(["node", directory / f"{self.script}.js"], log, cwd=directory,
                   env=self.environment)
        wait_until(lambda: port_open(self.port), f"{self.script} to listen")
