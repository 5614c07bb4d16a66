"""The bench's own PostgreSQL server, and the data in it."""

import hashlib
import json
import os
import subprocess
import time
from pathlib import Path

from measure import Failed, postmaster_cpu, say

HERE = Path(__file__).parent

# By the name that deploy/local/servers.sh has for it.
WHICH = os.environ.get("LIFEBOAT_BENCH_SERVER") or "pg15"
FULL_SIZE = {"answers": 1_943_200, "events": 6_000_000, "blobs": 950}

# Locks for 10,000 tables and their indexes. Autovacuum would read what one restore loaded during the next.
OWN_SETTINGS = {"max_locks_per_transaction": "256", "autovacuum": "off"}

TOLD_SETTINGS = """server_version data_checksums shared_buffers work_mem maintenance_work_mem max_wal_size wal_level fsync
    full_page_writes synchronous_commit autovacuum max_connections max_locks_per_transaction max_worker_processes
    max_parallel_workers max_parallel_workers_per_gather max_parallel_maintenance_workers jit""".split()

BUSY = """SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid()
    AND backend_type IN ('client backend', 'parallel worker', 'autovacuum worker', 'walsender')"""


OWN_TABLES = "FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY oid"
COUNT = f"SELECT format('SELECT %L, count(*) FROM %s', oid::regclass, oid::regclass) {OWN_TABLES} \\gexec"
SIZES = f"SELECT oid::regclass, pg_table_size(oid), pg_indexes_size(oid) {OWN_TABLES}"

# Where sizes are noted, in the database `postgres`.
NOTES = "bench_data"
FEW_TABLES = 10


def checked(command, **how):
    """Runs what is not measured; returns its output."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **how)
    if done.returncode != 0:
        raise Failed(f"exit code {done.returncode} of {' '.join(map(str, command))}\n{done.stderr[-3000:]}")
    return done.stdout


class Server:
    def __init__(self):
        self.base = os.environ[f"LIFEBOAT_TEST_{WHICH.upper()}"].rpartition("/")[0]
        self.configure()
        self.postmaster = int(self.sql("SELECT pg_read_file('postmaster.pid')").splitlines()[0])
        if checksums := os.environ.get("LIFEBOAT_BENCH_CHECKSUMS"):
            self.use_checksums(checksums != "off")

    def url(self, database):
        return f"{self.base}/{database}"

    def sql(self, *statements, database="postgres", variables=(), script=None):
        """Runs statements, then a script; returns what psql prints without frills."""
        command = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", self.url(database)]
        for name, value in dict(variables).items():
            command += ["-v", f"{name}={value}"]
        for statement in statements:
            command += ["-c", statement]
        return checked(command + (["-f", "-"] if script else []), input=script).strip()

    def configure(self):
        settings = json.dumps(OWN_SETTINGS)
        wanted = f"SELECT bool_and(current_setting(key) = value) FROM json_each_text('{settings}')"
        if self.sql(wanted) == "t":
            return
        self.sql(*(f"ALTER SYSTEM SET {name} = {value}" for name, value in OWN_SETTINGS.items()))
        self.restart()
        if self.sql(wanted) != "t":
            raise Failed(f"the server did not take over {settings}")

    def restart(self, meanwhile=lambda: None):
        script = HERE.parents[1] / "deploy/local/servers.sh"
        variable = f"{WHICH.upper()}_PORT"
        checked([script, "stop", WHICH])
        meanwhile()
        checked([script, "start", WHICH], env={**os.environ, f"LIFEBOAT_{variable}": os.environ[f"LIFEBOAT_TEST_{variable}"]})
        self.postmaster = int(self.sql("SELECT pg_read_file('postmaster.pid')").splitlines()[0])

    def use_checksums(self, wanted):
        """The server's own programs do not run as root."""
        folder = Path(os.environ["LIFEBOAT_SERVERS"]) / WHICH / "data"
        switch = ["pg_checksums", "--enable" if wanted else "--disable", "--no-sync", "-D", folder]
        if self.sql("SHOW data_checksums") != ("on" if wanted else "off"):
            self.restart(lambda: checked(switch, user=folder.owner(), cwd="/"))

    def settings(self):
        return {name: self.sql(f"SHOW {name}") for name in TOLD_SETTINGS}

    def cpu(self):
        return postmaster_cpu(self.postmaster)

    def settle(self):
        """Nothing is left to do for the server from whatever came before."""
        deadline = time.monotonic() + 60
        while self.sql(BUSY) != "0":
            if time.monotonic() > deadline:
                raise Failed("sessions of others stay in the bench's server: it must have it for itself")
            time.sleep(0.05)
        self.sql("CHECKPOINT")
        os.sync()

    def recreate(self, database):
        self.sql(f"DROP DATABASE IF EXISTS {database}", f"CREATE DATABASE {database} TEMPLATE template0")

    def rows(self, database):
        """Rows of every table, counted by reading them all."""
        answer = self.sql(database=database, script=COUNT)
        return {table: int(rows) for table, rows in (line.split("|") for line in answer.splitlines())}


def copy_bytes(server, database, table):
    """Size of a table's COPY text."""
    command = ["psql", "-Xq", "-d", server.url(database), "-c", f"COPY {table} TO STDOUT"]
    total = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0) as psql:
        while block := psql.stdout.read(1 << 20):
            total += len(block)
    if psql.returncode != 0:
        raise Failed(f"cannot COPY {table}")
    return total


class Data:
    """A database of the bench, loaded once: it gets its name when it is complete."""

    def __init__(self, server, name, script, variables):
        self.server, self.script, self.variables = server, (HERE / script).read_text(), variables
        self.name = f"bench_{name}"
        made_by = hashlib.sha256(f"{self.script}{variables}".encode()).hexdigest()
        self.tables = self.known(made_by) or self.load(made_by)
        # Reads all of it into the page cache, too: the first sample is no worse off than the others.
        self.rows = server.rows(self.name)
        if sum(self.rows.values()) != sum(size["rows"] for size in self.tables.values()):
            raise Failed(f"{self.name} does not hold the rows that were loaded")

    @property
    def url(self):
        return self.server.url(self.name)

    def known(self, made_by):
        """Sizes that were noted when it was loaded, in another database: the measured one holds nothing but data."""
        self.server.sql(f"CREATE TABLE IF NOT EXISTS {NOTES} (name text PRIMARY KEY, made_by text, sizes json)")
        exists = "EXISTS (SELECT FROM pg_database WHERE datname = name)"
        sizes = self.server.sql(
            f"SELECT sizes FROM {NOTES} WHERE name = '{self.name}' AND made_by = '{made_by}' AND {exists}"
        )
        return json.loads(sizes) if sizes else None

    def load(self, made_by):
        server, loading, began = self.server, f"{self.name}_loading", time.monotonic()
        say(f"loading {self.name}: {', '.join(f'{rows:,} {table}' for table, rows in self.variables.items())}")
        server.recreate(loading)
        server.sql(database=loading, variables=self.variables, script=self.script)
        server.sql("VACUUM ANALYZE", "CHECKPOINT", database=loading)
        sizes = self.measured(loading)
        server.sql(
            f"DELETE FROM {NOTES} WHERE name = '{self.name}'",
            f"DROP DATABASE IF EXISTS {self.name}",
            f"ALTER DATABASE {loading} RENAME TO {self.name}",
            f"INSERT INTO {NOTES} VALUES ('{self.name}', '{made_by}', '{json.dumps(sizes)}')",
        )
        say(f"loaded {self.name} in {time.monotonic() - began:.0f} s")
        return sizes

    def measured(self, database):
        """Rows, and bytes of heap with TOAST, of indexes and of COPY text, by table; of very many tables the sum."""
        server, rows = self.server, self.server.rows(database)
        sizes = {}
        for table, heap, indexes in (line.split("|") for line in server.sql(SIZES, database=database).splitlines()):
            sizes[table] = {"rows": rows[table], "heap_bytes": int(heap), "index_bytes": int(indexes)}
        if len(sizes) <= FEW_TABLES:
            for table, size in sizes.items():
                size["copy_bytes"] = copy_bytes(server, database, table)
            return sizes
        fields = "rows", "heap_bytes", "index_bytes"
        return {f"{len(sizes)} tables": {field: sum(size[field] for size in sizes.values()) for field in fields}}


def courses(server, scale):
    """The three tables, at `scale` times their full size."""
    name = f"{scale:g}".replace(".", "_").replace("-", "m").replace("+", "")
    return Data(server, name, "data.sql", {table: round(rows * scale) for table, rows in FULL_SIZE.items()})
