"""Load, for a bounded time: wrk over HTTP, pgbench over the socket."""
import json
import os
import re
import subprocess

from . import servers

WRK_THREADS = 2
PGBENCH_THREADS = 2


class Failed(Exception):
    """A request or statement did not do what it should: nothing measured then counts."""


def wrk(port, kind, seconds, connections, **variables):
    """Runs wrk with load.lua; its numbers."""
    environment = dict(os.environ, LOAD_KIND=kind, LOAD_THREADS=str(min(WRK_THREADS, connections)))
    environment.update({f"LOAD_{name.upper()}": str(value) for name, value in variables.items()})
    done = subprocess.run(
        ["wrk", "-t", environment["LOAD_THREADS"], "-c", str(connections), "-d", f"{seconds}s",
         "--timeout", "20s", "-s", servers.BENCH / "load" / "load.lua",
         f"http://127.0.0.1:{port}/"],
        env=environment, capture_output=True, text=True, timeout=seconds + 60)
    found = re.search(r"^RESULT (.*)$", done.stdout, re.M)
    if done.returncode or not found:
        raise Failed(f"wrk: {done.stdout[-500:]}{done.stderr[-500:]}")
    result = json.loads(found[1])
    if result["bad_status"] or result["socket_errors"]:
        raise Failed(f"{kind}: {result['bad_status']} answers above 399, "
                     f"{result['socket_errors']} socket errors of {result['requests']} requests")
    if not result["requests"]:
        raise Failed(f"{kind}: no answers")
    result["rps"] = result["requests"] / result["seconds"]
    return result


def substitute(sql, expressions):
    """$n of a statement of the module, replaced by expressions[n - 1]."""
    return re.sub(r"\$(\d+)", lambda found: expressions[int(found[1]) - 1], sql)


def typed(sql, types):
    """The statement with types for its parameters, which the module sends beside them."""
    return substitute(sql, [f"${i + 1}::{type_}" for i, type_ in enumerate(types)])


BUSY_TYPES = ["int8", "timestamptz", "timestamptz", "timestamptz"]
BOOK_TYPES = ["int8", "int8", "text", "text", "uuid", "timestamptz", "timestamptz", "date", "time",
              "text", "text", "text", "bytea", "bytea", "bytea", "text", "text", "text", "text"]


def pgbench(postgres, database, script, seconds, clients, **variables):
    """Runs pgbench with prepared statements; its numbers."""
    path = postgres.work / "pgbench.sql"
    path.write_text(script)
    os.chmod(path, 0o644)
    environment = dict(os.environ, PGOPTIONS="-c search_path=booking,public"
                                             " -c plan_cache_mode=force_generic_plan")
    done = subprocess.run(
        [postgres.bin / "pgbench", "-n", "-M", "prepared", "-h", postgres.work,
         "-U", servers.OWNER, "-c", str(clients), "-j", str(min(PGBENCH_THREADS, clients)),
         "-T", str(seconds), "-f", path,
         *[f"-D{name}={value}" for name, value in variables.items()], database],
        env=environment, capture_output=True, text=True, timeout=seconds + 60)
    tps = re.search(r"^tps = ([\d.]+)", done.stdout, re.M)
    number = re.search(r"transactions actually processed: (\d+)", done.stdout)
    failed = re.search(r"number of failed transactions: (\d+)", done.stdout)
    if done.returncode or not tps or (failed and int(failed[1])):
        raise Failed(f"pgbench: {done.stdout[-500:]}{done.stderr[-1000:]}")
    return {"rps": float(tps[1]), "requests": int(number[1]), "seconds": seconds,
            "mean_ms": float(re.search(r"latency average = ([\d.]+)", done.stdout)[1])}


# --- scripts for pgbench, with the distribution of load.lua ------------------------------------

def _day(calendar):
    """A random date with visits, as days after the first."""
    return (f"\\set k random(0, {len(calendar.filled) - 1})\n"
            "\\set d :k / 5 * 7 + :k % 5\n")


def busy_script(sql, calendar, practitioners):
    first = int(calendar.first.strftime("%s")) + 7 * 3600
    return (f"\\set p random(1, {practitioners})\n" + _day(calendar) +
            f"\\set f {first} + :d * 86400\n\\set t :f + {9 * 3600}\n" +
            substitute(sql, [":p::int8", "to_timestamp(:f::float8)", "to_timestamp(:t::float8)",
                             ":now::timestamptz"]) + ";\n")


def all_in_sql_script(calendar, practitioners):
    text = (servers.BENCH / "sql" / "all_in_sql.sql").read_text()
    return (f"\\set p random(1, {practitioners})\n" + _day(calendar) +
            text.replace("{first_day}", str(calendar.first)).rstrip() + ";\n")


def list_script(sql, users):
    values = ["('user-' || :u::text)", "0::int8", "NULLIF(:e::text, '-')",
              "NULLIF(:e::text, '-')::date", "NULLIF(:e::text, '-')::date",
              "NULLIF(:e::text, '-')::timestamptz", "0::int8", "51::int8"]
    return f"\\set u random(1, {users})\n" + substitute(sql, values) + ";\n"


def book_script(sql, calendar, practitioners, guests, clients):
    """As load.lua does: the n-th slot for the n-th visit. NULLs are hidden from the planner, which
    does not know the module's parameters either."""
    epoch = int(calendar.free[0].strftime("%s"))
    none = "NULLIF(:e::text, '-')"
    start = "to_timestamp(:s::float8)"
    values = [":p::int8", ":version::int8", none, "lpad(:g::text, 64, '0')",
              "md5(:n::text)::uuid", start, "to_timestamp(:s::float8 + 1800)",
              f"(date '{calendar.free[0]}' + :d::int)", "make_time(:h::int, :m::int, 0)",
              "'video'::text", "'confirmed'::text", "'journey'::text", ":sealed::bytea",
              ":sealed::bytea", f"{none}::bytea", none, none, "'anonymous'::text", "'bench'::text"]
    return (f"\\set i :i + 1\n\\set n (:i * {clients} + :client_id)\n\\set g :n % {guests}\n"
            f"\\set p :n % {practitioners} + 1\n\\set q :n / {practitioners}\n"
            "\\set k :q / 16\n\\set d :k / 5 * 7 + :k % 5\n\\set h 9 + :q % 16 / 2\n"
            "\\set m :q % 2 * 30\n"
            f"\\set s {epoch} + :d * 86400 + (:h - 2) * 3600 + :m * 60\n" +
            substitute(sql, values) + ";\n")
