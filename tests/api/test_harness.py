"""The harness itself: a guard that never barks would make every other test worthless."""
import pytest

from harness import client, contract, httpd as httpd_module, shape

LINE = "[Fri Jun 20 12:00:00.000000 2025] [{0}] [pid 1:tid 1] [client 127.0.0.1:1] {1}"


@pytest.fixture
def server():
    """A server that is never started, with a log that the test writes."""
    server = httpd_module.Httpd(load_booking=False)
    yield server
    server.error_log.unlink(missing_ok=True)
    server.destroy()


def complaints(server, *lines, secrets=()):
    server.error_log.write_text("\n".join(lines) + "\n")
    server._log_read = 0
    return server.take_complaints(secrets)


@pytest.mark.parametrize("line", [
    LINE.format("booking:warn", "anything"), LINE.format("core:error", "AH00127: anything"),
    LINE.format("mpm_event:crit", "x"), LINE.format(":alert", "x"),
    LINE.format("core:notice", "AH00052: child pid 7 exit signal Segmentation fault (11)"),
    "==7==ERROR: AddressSanitizer: heap-use-after-free", "a line without a level",
    "src/x.c:1:2: runtime error: signed integer overflow"])
def test_the_guard_barks(server, line):
    assert complaints(server, LINE.format("core:info", "fine"), line) == [line]


@pytest.mark.parametrize("line", [
    "", LINE.format("core:info", "x"), LINE.format("booking:debug", "x"),
    LINE.format("mpm_event:notice", "AH00489: resuming normal operations")])
def test_the_guard_is_quiet(server, line):
    assert complaints(server, line) == []


def test_what_is_allowed_is_allowed_once(server):
    line = LINE.format("booking:warn", "the database is away")
    server.allow_log("is away")
    assert complaints(server, line) == []
    assert complaints(server, line) == [line]


def test_secrets_are_found_at_any_level(server):
    line = LINE.format("core:info", "GET /x?name=Zaphira")
    assert len(complaints(server, line, secrets={"Zaphira"})) == 1


def test_personal_members_become_canaries():
    canaries = client.Canaries()
    canaries.learn({"userName": "Zaphira Quillfeather", "other": "Somebody Else",
                    "list": [{"notes": "Afraid of geese."}], "reason": "short"})
    assert canaries.words == {"Zaphira Quillfeather", "Afraid of geese."}


def test_shapes_are_compared():
    documented = {"a": 1, "b": [{"c": "x"}], "d": True}
    assert shape.differences(documented, {"a": 2.5, "b": [], "d": False, "more": None}) == []
    found = shape.differences(documented, {"a": "1", "b": [{"c": None}], "d": 1})
    assert found == ["$.a is string, documented is number",
                     "$.b[0].c is null, documented is string",
                     "$.d is number, documented is boolean"]


def test_the_document_is_read():
    assert contract.ERRORS["SLOT_TAKEN"] == 409 and len(contract.ERRORS) >= 24
    assert len(contract.ROUTES) >= 22
