"""bookingctl migrate: forward only, once, and never on something it does not know."""
import concurrent.futures
import re
import shutil

import pytest

from harness import build, seed
from harness.cluster import SCHEMA


def migrate(db, directory=build.SQL, schema=SCHEMA, check=True):
    return build.ctl("migrate", "--dsn", db.dsn(), "--schema", schema, "--sql", directory,
                     check=check)


def tables(db, schema=SCHEMA):
    return {row["tablename"] for row in
            db.sql("SELECT tablename FROM pg_tables WHERE schemaname = %s", (schema,))}


def shape(db):
    """Every column, constraint and index, as text."""
    return db.sql("SELECT 'c' AS k, table_name AS t, column_name AS n, data_type AS d"
                  " FROM information_schema.columns WHERE table_schema = %s"
                  " UNION ALL SELECT 'i', tablename, indexname, indexdef FROM pg_indexes"
                  " WHERE schemaname = %s ORDER BY 1, 2, 3", (SCHEMA, SCHEMA))


@pytest.fixture
def empty(cluster):
    return cluster.create_empty()


@pytest.fixture
def directory(tmp_path):
    """A copy of the migrations, to be changed."""
    return shutil.copytree(build.SQL, tmp_path / "sql")


def last_number(directory):
    return max(int(path.name.split("_")[0]) for path in directory.glob("[0-9]*.sql"))


def test_an_empty_database_gets_everything(empty):
    migrate(empty)
    assert {"practitioners", "practitioner_schedules", "practitioner_date_overrides", "people",
            "appointments", "appointment_meetings", "outbox", "audit_log",
            "idempotency_keys"} <= tables(empty)


def test_migrating_twice_changes_nothing(empty):
    migrate(empty)
    before = shape(empty)
    migrate(empty)
    assert shape(empty) == before


def test_two_at_once_do_not_disturb_each_other(empty):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        ended = list(pool.map(lambda _: migrate(empty, check=False), range(4)))
    assert [done.returncode for done in ended] == [0] * 4, [done.stderr for done in ended]
    assert "appointments" in tables(empty)


def test_data_stay(empty):
    migrate(empty)
    doctor = seed.practitioner(empty)
    visit = seed.visit(empty, doctor, "2025-06-20", "09:00")
    migrate(empty)
    assert empty.value("SELECT id FROM appointments") == visit


def test_each_schema_is_a_clinic_of_its_own(empty):
    migrate(empty, schema="clinic_a")
    migrate(empty, schema="clinic_b")
    assert tables(empty, "clinic_a") == tables(empty, "clinic_b") != set()
    assert not tables(empty, "public")


def test_a_new_migration_is_applied_once(empty, directory):
    migrate(empty)
    number = last_number(directory) + 1
    (directory / f"{number:04}_marker.sql").write_text(
        "CREATE TABLE marker (n INTEGER);\nINSERT INTO marker VALUES (1);\n")
    migrate(empty, directory)
    migrate(empty, directory)
    assert empty.value("SELECT count(*) FROM marker") == 1


def test_a_migration_that_fails_leaves_nothing(empty, directory):
    migrate(empty)
    number = last_number(directory) + 1
    bad = directory / f"{number:04}_bad.sql"
    bad.write_text("CREATE TABLE half (n INTEGER);\nSELECT no_such_function();\n")
    done = migrate(empty, directory, check=False)
    assert done.returncode != 0 and "no_such_function" in done.stderr, done.stderr
    assert "half" not in tables(empty)
    bad.write_text("CREATE TABLE half (n INTEGER);\n")
    migrate(empty, directory)
    assert "half" in tables(empty)


def test_a_database_from_the_future_is_refused(empty, directory):
    number = last_number(directory) + 1
    name = f"{number:04}_future.sql"
    (directory / name).write_text("CREATE TABLE future (n INTEGER);\n")
    migrate(empty, directory)
    done = migrate(empty, check=False)
    assert done.returncode != 0, "an older program accepted a newer database"
    assert re.search(r"new|unknown|future", done.stderr, re.I), done.stderr


def test_an_edited_migration_is_refused(empty, directory):
    migrate(empty, directory)
    first = sorted(directory.glob("[0-9]*.sql"))[0]
    first.write_text(first.read_text() + "\n-- an afterthought\n")
    done = migrate(empty, directory, check=False)
    assert done.returncode != 0, "an edited migration was accepted"
    assert first.name.split("_")[0] in done.stderr, done.stderr


@pytest.mark.parametrize("arguments, words", [
    (("--dsn", "host=/nowhere dbname=x"), "nowhere"),
    (("--sql", "/nowhere/at/all"), "nowhere"),
    (("--schema", "no;schema"), "schema"),
    (("--unknown", "x"), "unknown")])
def test_wrong_arguments_are_explained(empty, arguments, words):
    options = {"--dsn": empty.dsn(), "--schema": SCHEMA, "--sql": str(build.SQL)}
    options.update([arguments])
    done = build.ctl("migrate", *[word for pair in options.items() for word in pair], check=False)
    assert done.returncode != 0
    assert words in done.stderr + done.stdout, done.stderr


# --- the schema itself -----------------------------------------------------------------------

@pytest.fixture(scope="module")
def db(cluster):
    return cluster.create()


def test_programs_that_know_only_the_published_columns_go_on_working(db):
    doctor = seed.practitioner(db, slot=45)
    seed.visit(db, doctor, "2025-06-20", "09:00", user_id="old-program")
    row = db.one("SELECT starts_at, ends_at, blocked_from, blocked_until, client_id, status"
                 " FROM appointments WHERE practitioner_id = %s", (doctor,))
    assert row["starts_at"].isoformat() == "2025-06-20T07:00:00+00:00"
    assert (row["ends_at"] - row["starts_at"]).total_seconds() == 45 * 60
    assert row["client_id"] is not None and row["status"] == "confirmed"


def test_an_audit_row_is_for_ever(db):
    db.sql("INSERT INTO audit_log (actor_role, action) VALUES ('test', 'test')")
    for statement in ("UPDATE audit_log SET action = 'x'", "DELETE FROM audit_log",
                      "TRUNCATE audit_log"):
        with pytest.raises(Exception, match="append-only"):
            db.sql(statement)
