"""PgBouncer in transaction mode before a database: own directory, unix socket, no TCP."""
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import psycopg2

from . import cluster as cluster_module, wait

CONF = """
[databases]
* = host={server}
[pgbouncer]
unix_socket_dir = {directory}
listen_addr =
listen_port = {port}
auth_type = any
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = 300
server_login_retry = 1
ignore_startup_parameters = extra_float_digits,options
logfile = {directory}/pgbouncer.log
pidfile = {directory}/pgbouncer.pid
"""

PORT = 6432  # names the socket's file only


class PgBouncer:
    def __init__(self, cluster, pool_size=8):
        self.cluster = cluster
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="bk-pool-", dir="/tmp"))
        os.chmod(self.directory, 0o755)
        self.conf = self.directory / "pgbouncer.ini"
        self.conf.write_text(CONF.format(server=cluster.directory, directory=self.directory,
                                         port=PORT, pool_size=pool_size))
        if os.geteuid() == 0:
            for path in (self.directory, self.conf):
                shutil.chown(path, "postgres", "postgres")
        self.process = None

    def start(self, database):
        # auth_type any logs everybody in as the user of the database line: name it.
        text = self.conf.read_text().replace(
            f"* = host={self.cluster.directory}",
            f"* = host={self.cluster.directory} user={cluster_module.OWNER}")
        self.conf.write_text(text)
        self.process = subprocess.Popen(
            cluster_module.as_postgres(["/usr/sbin/pgbouncer", self.conf]),
            cwd=self.directory, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True)
        wait.until(lambda: self._answers(database), "PgBouncer to answer")
        return self

    def dsn(self, database):
        return (f"host={self.directory} port={PORT} dbname={database}"
                f" user={cluster_module.OWNER}")

    def _answers(self, database):
        if self.process.poll() is not None:
            raise AssertionError("PgBouncer ended at start")
        try:
            psycopg2.connect(self.dsn(database), connect_timeout=2).close()
            return True
        except psycopg2.OperationalError:
            return False

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)
