"""A PostgreSQL cluster of our own: a temporary directory, a unix socket, no TCP."""
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading

import psycopg2
import psycopg2.extras

from . import build, wait

SCHEMA = "booking"
OWNER = "booking"
TEMPLATE = "booking_template"

SETTINGS = """
listen_addresses = ''
unix_socket_directories = '{directory}'
unix_socket_permissions = 0777
max_connections = 300
shared_buffers = 128MB
fsync = on
synchronous_commit = on
deadlock_timeout = 200ms
log_min_messages = warning
log_line_prefix = '%m [%p] '
timezone = 'UTC'
"""


def _bin_directory():
    found = os.environ.get("PG_BIN")
    if found:
        return pathlib.Path(found)
    versions = pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres")
    newest = max(versions, key=lambda path: float(path.parts[-3]))
    return newest.parent


def as_postgres(command):
    """The command, run by the user postgres when we are root (PostgreSQL refuses root)."""
    if os.geteuid() != 0:
        return [str(word) for word in command]
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups",
            *[str(word) for word in command]]


class Cluster:
    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="bk-pg-", dir="/tmp"))
        self.bin = _bin_directory()
        self.data = self.directory / "data"
        self.log = self.directory / "postgres.log"
        self.process = None
        self._numbers = iter(range(1, 1_000_000))
        self._lock = threading.Lock()
        self._initialise()

    def _initialise(self):
        if os.geteuid() == 0:
            shutil.chown(self.directory, "postgres", "postgres")
        os.chmod(self.directory, 0o755)
        subprocess.run(
            as_postgres([self.bin / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust",
                         "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"]),
            check=True, capture_output=True, cwd=self.directory)
        with open(self.data / "postgresql.conf", "a") as conf:
            conf.write(SETTINGS.format(directory=self.directory))

    # --- running -------------------------------------------------------------------------

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                as_postgres([self.bin / "postgres", "-D", self.data]), cwd=self.directory,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        wait.until(self._answers, "PostgreSQL to answer", 30)

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError("PostgreSQL ended at start:\n" + self.log.read_text()[-3000:])
        try:
            psycopg2.connect(self.dsn("postgres"), connect_timeout=2).close()
            return True
        except psycopg2.OperationalError:
            return False

    def stop(self, mode="fast"):
        """mode: smart (waits for clients), fast, immediate (as a crash)."""
        if self.process is None or self.process.poll() is not None:
            return
        sign = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}[mode]
        self.process.send_signal(sign)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def restart(self, mode="fast"):
        self.stop(mode)
        self.start()

    def destroy(self):
        self.stop("immediate")
        shutil.rmtree(self.directory, ignore_errors=True)

    def backends(self, database):
        """Process ids of the server processes that serve *database*, our own excluded."""
        rows = self.rows("postgres",
                         "SELECT pid FROM pg_stat_activity WHERE datname = %s"
                         " AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
                         (database,))
        return [row["pid"] for row in rows]

    def kill_backend(self, pid):
        """As the kernel does when memory runs out: PostgreSQL recovers by restarting all."""
        os.kill(pid, signal.SIGKILL)

    # --- databases -----------------------------------------------------------------------

    def dsn(self, database, user="postgres", host=None):
        return f"host={host or self.directory} dbname={database} user={user}"

    def rows(self, database, query, parameters=None):
        connection = psycopg2.connect(self.dsn(database), connect_timeout=5)
        try:
            connection.autocommit = True
            with connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
                cursor.execute(query, parameters)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def create_empty(self):
        """A database without our schema, owned by an ordinary role."""
        with self._lock:
            name = f"clinic_{next(self._numbers)}"
            if not self.rows("postgres", "SELECT 1 FROM pg_roles WHERE rolname = %s", (OWNER,)):
                self.rows("postgres", f"CREATE ROLE {OWNER} LOGIN")
            self.rows("postgres", f"CREATE DATABASE {name} OWNER {OWNER}")
        return Database(self, name)

    def create(self):
        """A migrated database. The first one is kept as the template of the others."""
        with self._lock:
            known = self.rows("postgres", "SELECT 1 FROM pg_database WHERE datname = %s",
                              (TEMPLATE,))
        if not known:
            first = self.create_empty()
            first.migrate()
            self.rows("postgres", f"ALTER DATABASE {first.name} RENAME TO {TEMPLATE}")
        with self._lock:
            name = f"clinic_{next(self._numbers)}"
            self.rows("postgres", f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} OWNER {OWNER}")
        return Database(self, name)


class Database:
    """One clinic's database. sql() is what most tests need: rows as dicts, committed at once."""

    def __init__(self, cluster, name):
        self.cluster = cluster
        self.name = name
        self._local = threading.local()

    def dsn(self, user=OWNER, host=None):
        return self.cluster.dsn(self.name, user, host)

    def migrate(self, **options):
        return build.ctl("migrate", "--dsn", self.dsn(), "--schema", SCHEMA,
                         "--sql", build.SQL, **options)

    def connect(self, autocommit=False):
        """A connection for transactions of the test's own; the caller closes it."""
        connection = psycopg2.connect(self.dsn(), connect_timeout=5,
                                      options=f"-c search_path={SCHEMA},public")
        connection.autocommit = autocommit
        return connection

    def sql(self, query, parameters=None):
        connection = getattr(self._local, "connection", None)
        if connection is None or connection.closed:
            connection = self._local.connection = self.connect(autocommit=True)
        try:
            return self._rows(connection, query, parameters)
        except psycopg2.DatabaseError as error:
            if error.pgcode not in (None, "57P01", "57P02"):
                raise
            connection.close()  # the cluster was restarted: once more, on a new connection
            connection = self._local.connection = self.connect(autocommit=True)
            return self._rows(connection, query, parameters)

    @staticmethod
    def _rows(connection, query, parameters):
        with connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
            cursor.execute(query, parameters)
            return [dict(row) for row in cursor.fetchall()] if cursor.description else []

    def one(self, query, parameters=None):
        """The only row."""
        rows = self.sql(query, parameters)
        assert len(rows) == 1, f"one row expected, got {len(rows)}: {query}"
        return rows[0]

    def value(self, query, parameters=None):
        """The only column of the only row."""
        return next(iter(self.one(query, parameters).values()))
