"""Wrong requests, by hand: each with its status, its code and the very fields it names.

Whatever is sent, the answer is never 500, the log stays quiet (the guard of conftest.py), and the
server goes on serving.
"""
import json
import re

import pytest

from harness import raw, seed

FRIDAY = "2025-06-20"
WEDNESDAY = "2025-06-25"

# Names that stand for ids of this module's world in paths and bodies.
DOCTOR, VISIT, BOOKING, RULE, OVERRIDE = "<doctor>", "<visit>", "<booking>", "<rule>", "<override>"

VALID = {
    "POST /appointments": {"practitionerId": DOCTOR, "date": FRIDAY, "time": "14:00:00"},
    f"PUT /appointments/{VISIT}/cancel": {"reason": "Rain"},
    f"PUT /appointments/{VISIT}/reschedule": {"newDate": WEDNESDAY, "newTime": "15:00:00"},
    "POST /practitioners": {"name": "Dr. New", "timeZone": "Europe/Berlin"},
    f"PUT /practitioners/{DOCTOR}": {"bio": "New."},
    f"POST /practitioners/{DOCTOR}/schedules":
        {"dayOfWeek": 1, "startTime": "09:00", "endTime": "17:00"},
    f"PUT /practitioners/{DOCTOR}/schedules/{RULE}":
        {"dayOfWeek": 1, "startTime": "09:00", "endTime": "17:00"},
    f"POST /practitioners/{DOCTOR}/overrides":
        {"date": "2025-07-01", "startTime": "09:00", "endTime": "17:00"},
    f"PUT /practitioners/{DOCTOR}/overrides/{OVERRIDE}":
        {"date": "2025-07-01", "startTime": "09:00", "endTime": "17:00"},
}

BOOK = "POST /appointments"
CANCEL = f"PUT /appointments/{VISIT}/cancel"
MOVE = f"PUT /appointments/{VISIT}/reschedule"
NEW = "POST /practitioners"
EDIT = f"PUT /practitioners/{DOCTOR}"
HOURS = f"POST /practitioners/{DOCTOR}/schedules"
SET_HOURS = f"PUT /practitioners/{DOCTOR}/schedules/{RULE}"
OFF = f"POST /practitioners/{DOCTOR}/overrides"
SET_OFF = f"PUT /practitioners/{DOCTOR}/overrides/{OVERRIDE}"

MISSING = object()
LONG = "x" * 20_000
# A NUL in a string, or an integer beyond 64 bits, is not taken as JSON at all.
UNREADABLE = re.compile(r"\\u0000|(?<![\"\d])\d{20}")
FULLWIDTH = "\uff12\uff10\uff12\uff15-06-20"


class Case:
    def __init__(self, name, request, body=None, content=None, kind="application/json",
                 status=400, code="VALIDATION_FAILED", fields=(), headers=None):
        self.name, self.request, self.body, self.content = name, request, body, content
        self.kind, self.status, self.code = kind, status, code
        self.fields, self.headers = set(fields or ()), headers or {}


CASES = []


def case(name, request, **members):
    CASES.append(Case(f"{len(CASES):03} {name}", request, **members))


def wrong(request, field, *values, fields=None, status=400, code="VALIDATION_FAILED"):
    """The valid request with one member replaced by each of *values*."""
    for value in values:
        body = {**VALID[request], field: value}
        if value is MISSING:
            del body[field]
        shown = "missing" if value is MISSING else ascii(value)[:40]
        unreadable = value is not MISSING and UNREADABLE.search(json.dumps(value))
        case(f"{request}: {field} {shown}", request, body=body,
             fields={"body"} if unreadable else fields or {field}, status=status,
             code="MALFORMED_JSON" if unreadable else code)


def wrong_query(path, *queries, fields, status=400, code="VALIDATION_FAILED"):
    for query in queries:
        case(f"GET {path}?{query[:50]}", f"GET {path}?{query}", fields=fields, status=status,
             code=code)


# --- booking: each member, wrong in its own ways ---------------------------------------------

wrong(BOOK, "practitionerId", MISSING, None, "", "abc", -1, 0, 1.5, True, [], {}, [1], "12abc",
      "practitioner_", "practitioner_-1", "practitioner_x", "user_12", 99999999999999999999,
      "9223372036854775808", "\uff11", " 1", "1 ", "+1", "01", "1e3", "0x1", "1\u00002")
wrong(BOOK, "date", MISSING, None, "", 20250620, 2025.5, True, [], {}, "2025-6-20", "2025-06-2",
      "2025-02-29", "2025-02-30", "1900-02-29", "2025-13-01", "2025-00-10", "2025-06-00",
      "2025-06-31", "20-06-2025", "06/20/2025", "2025/06/20", "20250620",
      "2025-06-20T00:00:00Z", " 2025-06-20", "2025-06-20 ", FULLWIDTH, "+2025-06-20",
      "-2025-06-20", "0000-01-01", "10000-01-01", "today", "2025-W25-5", "2025-06-20\n",
      "2025-06-2O", "2025\u201006\u201020")
wrong(BOOK, "time", MISSING, None, "", 14, 14.5, True, [], {}, "14", "24:00", "24:00:00",
      "25:00", "14:60", "14:00:60", "-1:00", "14:00Z", "14:00:00+02:00", "1400", "14:0",
      "4:00", " 14:00", "14:00 ", "14:00:0", "14:00:00:00", "14.00", "noon", "\uff11\uff14:00")
for instant in (None, "", "2025-06-20", "2025-06-20T14:00:00", "2025-06-20T14:00:00+25:00",
                "2025-06-20T14:00:60Z", "2025-06-20T24:00:00Z", "2025-02-30T14:00:00Z",
                "2025-06-20T14:00:00+0200", "2025-06-20T14:00:00 02:00", 1750420800, True, [],
                {}, "2025-06-20T14Z", "20250620T140000Z", "0000-06-20T14:00:00Z",
                "2025-06-20T14:00:00.Z", "2025-06-20T14:00:00+02:60", "now"):
    case(f"startsAt {ascii(instant)}", BOOK, body={"practitionerId": DOCTOR, "startsAt": instant},
         fields={"startsAt"} if instant is not None else {"date", "time"})
wrong(BOOK, "userId", 7, True, [], {}, "", LONG, "a\nb", "a\u0000b")
wrong(BOOK, "sessionType", 7, True, [], {}, LONG, "a\u0000b", "a\u0007b")
wrong(BOOK, "userEmail", 7, True, [], {}, "", "nobody", "@x.de", "a@", "a b@c.de", "a@b@c.de",
      "a@b\r\nBcc: x@y.de", "a@" + "b" * 300 + ".de", "x" * 300 + "@b.de", "a@b.de\u0000",
      "<a@b.de>", "a@b.de, c@d.de")
wrong(BOOK, "userName", 7, True, [], {}, LONG, "a\u0000b", "a\r\nBcc: b")
wrong(BOOK, "notes", 7, True, [], {}, LONG, "a\u0000b")
wrong(BOOK, "videoMeetingConfig", 7, True, "zoom", [])
wrong(BOOK, "videoMeetingConfig", {}, {"platform": None}, {"platform": ""},
      {"platform": "skype"}, {"platform": 7}, {"platform": ["zoom"]}, {"platform": "zoom\u0000"},
      fields={"videoMeetingConfig.platform"})

for fields in ({"time"}, {"date"}, {"startsAt"}):
    body = {**VALID[BOOK], **dict.fromkeys(fields, "x")}
    case(f"an instant beside a date: {fields}", BOOK, body={**body, "startsAt": body.get(
        "startsAt", "2025-06-20T12:00:00Z")}, fields=fields)
case("an instant, a date and a time", BOOK,
     body={**VALID[BOOK], "startsAt": "2025-06-20T12:00:00Z"}, fields={"startsAt"})
case("everything wrong at once", BOOK,
     body={"practitionerId": [], "date": "x", "time": "y", "userEmail": "z", "notes": 1},
     fields={"practitionerId", "date", "time", "userEmail", "notes"})
case("nothing at all", BOOK, body={}, fields={"practitionerId", "date", "time"})
case("an empty body", BOOK, content=b"", fields={"practitionerId", "date", "time"})
case("a past time", BOOK, body={**VALID[BOOK], "date": "2025-05-30"}, code="PAST_TIME",
     fields=None)
case("a time long ago", BOOK, body={**VALID[BOOK], "date": "0001-01-01"}, code="PAST_TIME",
     fields=None)
case("a past instant", BOOK, body={"practitionerId": DOCTOR, "startsAt": "1969-12-31T23:00:00Z"},
     code="PAST_TIME", fields=None)
case("the end of time", BOOK, body={**VALID[BOOK], "date": "9999-12-31"}, status=409,
     code="SLOT_UNAVAILABLE", fields=None)
case("the last instant", BOOK,
     body={"practitionerId": DOCTOR, "startsAt": "9999-12-31T23:59:59Z"}, status=409,
     code="SLOT_UNAVAILABLE", fields=None)
case("off the grid by a second", BOOK, body={**VALID[BOOK], "time": "14:00:01"}, status=409,
     code="SLOT_UNAVAILABLE", fields=None)
case("the first instant", BOOK,
     body={"practitionerId": DOCTOR, "startsAt": "0001-01-01T00:00:00Z"}, code="PAST_TIME",
     fields=None)
case("before the first instant", BOOK,
     body={"practitionerId": DOCTOR, "startsAt": "0001-01-01T00:00:00+23:59"}, code=None,
     fields=None)
case("behind the last instant", BOOK,
     body={"practitionerId": DOCTOR, "startsAt": "9999-12-31T23:59:59-23:59"}, code=None,
     status=(400, 409), fields=None)
case("the largest id", BOOK, body={**VALID[BOOK], "practitionerId": 9223372036854775807},
     status=404, code="NOT_FOUND", fields=None)
case("nobody's practitioner", BOOK, body={**VALID[BOOK], "practitionerId": 987654321},
     status=404, code="NOT_FOUND", fields=None)
case("for somebody else", BOOK, body={**VALID[BOOK], "userId": "somebody-else"}, status=403,
     code="FORBIDDEN", fields=None)

# --- bodies that are no JSON objects ---------------------------------------------------------

NOT_JSON = {
    "half an object": b"{", "half a string": b'{"date": "2025', "an end only": b"}",
    "two values": b"{}{}", "apostrophes": b"{'date': 1}", "a comma too many": b'{"date": 1,}',
    "no comma": b'{"a": 1 "b": 2}', "no colon": b'{"a" 1}', "not a number": b'{"a": NaN}',
    "infinity": b'{"a": -Infinity}', "a comment": b'{"a": 1} // b', "a bare word": b"booking",
    "a number too large": b'{"a": 1e999}', "hexadecimal": b'{"a": 0x10}',
    "a plus": b'{"a": +1}', "a leading zero": b'{"a": 01}', "a bare dot": b'{"a": .5}',
    "a control character": b'{"a": "b\x01"}', "a line break in a string": b'{"a": "b\nc"}',
    "a wrong escape": b'{"a": "\\q"}', "a short escape": b'{"a": "\\u12"}',
    "a lone high surrogate": b'{"notes": "\\ud800"}',
    "a lone low surrogate": b'{"notes": "\\udc00"}',
    "surrogates in the wrong order": b'{"notes": "\\udc00\\ud800"}',
    "a byte that is not UTF-8": b'{"notes": "\xff"}',
    "Latin-1": '{"notes": "\u00e9"}'.encode("latin-1"),
    "an overlong form": b'{"notes": "\xc0\xaf"}',
    "an encoded surrogate": b'{"notes": "\xed\xa0\x80"}',
    "UTF-16": '{"notes": 1}'.encode("utf-16"), "a byte order mark": b"\xef\xbb\xbf{}",
    "a NUL behind the value": b"{}\x00", "a NUL inside": b'{"a\x00": 1}', "only a NUL": b"\x00",
    "a form": b"date=2025-06-20&time=14:00", "XML": b"<appointment/>",
    "a member twice": b'{"date": "2025-06-20", "date": "2025-06-21"}',
    "ten thousand arrays": b"[" * 10_000, "closed ones too": b"[" * 9_000 + b"]" * 9_000,
    "five thousand objects": b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "only a comma": b",",
    "only blanks": b" \n\t ",
}
for name, content in NOT_JSON.items():
    for request in (BOOK, CANCEL):
        case(f"{request}: {name}", request, content=content, code="MALFORMED_JSON", fields=None)

NOT_AN_OBJECT = {"an array": b"[]", "an array of objects": b'[{"date": "2025-06-20"}]',
                 "a string": b'"2025-06-20"', "a number": b"7", "null": b"null", "true": b"true"}
for name, content in NOT_AN_OBJECT.items():
    for request in (BOOK, CANCEL, MOVE, HOURS):
        case(f"{request}: {name}", request, content=content, fields={"body"})

# --- cancelling and moving -------------------------------------------------------------------

wrong(CANCEL, "reason", 7, True, [], {}, LONG, "a\u0000b")
wrong(MOVE, "newDate", MISSING, None, "", 7, True, [], {}, "2025-02-30", "2025-6-25", "tomorrow")
wrong(MOVE, "newTime", MISSING, None, "", 15, True, [], {}, "24:00", "15:60", "3 o'clock")
case("moving nowhere", MOVE, body={}, fields={"newDate", "newTime"})
case("moving by half an instant", MOVE, body={"startsAt": "2025-06-25T15:00:00"},
     fields={"startsAt"})
case("moving into the past", MOVE, body={"newDate": "2025-05-20", "newTime": "15:00"},
     code="PAST_TIME", fields=None)
case("moving to a closed hour", MOVE, body={"newDate": WEDNESDAY, "newTime": "20:00"}, status=409,
     code="SLOT_UNAVAILABLE", fields=None)
case("moving off the grid", MOVE, body={"newDate": WEDNESDAY, "newTime": "15:07"}, status=409,
     code="SLOT_UNAVAILABLE", fields=None)

NO_IDS = ["9223372036854775807", "abc", "-1", "0", "1.5", "1e3", "99999999999999999999",
          "9223372036854775808", "01",
          "+1", "1%20", "%201", "meeting_", "meeting_x", "meeting_-1", "meeting_0", "booking_",
          "booking_zz", "booking_" + "0" * 31, "booking_" + "0" * 33, "booking_" + "g" * 32,
          "booking_" + "0" * 32, "1;a=b", "1'--", "%F0%9F%92%A9", "%E0%80%80", "%C0%AF", "%27",
          "null", "undefined", "%3Cscript%3E", "a" * 3000, "meeting_meeting_1", "practitioner_1",
          "%ff", "1%0a", "1%0d%0aX:y", "*", "~", "1,2", "0x1"]
for identity in NO_IDS:
    case(f"GET /appointments/{identity[:40]}", f"GET /appointments/{identity}", status=404,
         code="NOT_FOUND", fields=None)
for identity in NO_IDS[:16]:
    case(f"cancel {identity}", f"PUT /appointments/{identity}/cancel", body={}, status=404,
         code="NOT_FOUND", fields=None)
    case(f"times of {identity}", f"GET /practitioners/{identity}/availability?date={FRIDAY}",
         status=404, code="NOT_FOUND", fields=None)

NO_ROUTES = ["", "/", "/nothing", "/appointments/1/cancel/x",
             "/appointments/1/delete", "/Appointments", "/HEALTH", "/health.json",
             "/health;x", "/practitioners/1/2", "/practitioners//availability",
             "/users//appointments", "/users/appointments", "/%61%2f", "/../api/health/..",
             "/api/health", "/openapi", "/practitioners/1/availability/x"]
for path in NO_ROUTES:
    case(f"no route {path!r}", f"GET {path}", status=404, code="NOT_FOUND", fields=None)

# --- queries ---------------------------------------------------------------------------------

TIMES = f"/practitioners/{DOCTOR}/availability"
wrong_query(TIMES, "date=", "date=x", "date=2025-02-30", "date=2025-6-20", "date=20250620",
            "date=2025-06-20T00:00", "date=%202025-06-20", "date=2025-06-20%0a",
            "date=2025-06-31", f"date={FULLWIDTH}", "date=0000-00-00", "date=-1",
            "date=" + "9" * 4000, fields={"date"})
wrong_query(TIMES, "from=2025-06-01&to=x", "from=2025-06-01&to=", "from=2025-06-01",
            "from=2025-06-02&to=2025-06-01", "from=2025-06-01&to=2025-08-02",
            "from=2025-06-01&to=9999-12-31", fields={"to"})
wrong_query(TIMES, "from=x&to=2025-06-01", "to=2025-06-01", "from=2025-02-30&to=2025-03-01",
            fields={"from"})
wrong_query(TIMES, "from=x&to=y", fields={"from", "to"})
wrong_query(TIMES, "", "day=2025-06-20", "DATE=2025-06-20", fields={"date"})
wrong_query(TIMES, "date=2025-06-20&from=2025-06-20&to=2025-06-21", "date=2025-06-20&date=x",
            "date=%zz", "date=%", "date=%2", "date=%00", "date=%ff", "date=%C0%AF",
            "date=2025-06-20%00", fields={"date"})
wrong_query(TIMES, "date=2025-06-20&%=1", "%00=1&date=2025-06-20", fields={"query"})

SEARCH = "/availability/search"
wrong_query(SEARCH, "", fields={"from", "to"})
wrong_query(SEARCH, "from=2025-06-01", "from=2025-06-01&to=x", "from=2025-06-02&to=2025-06-01",
            "from=2025-06-01&to=2025-08-02", fields={"to"})
wrong_query(SEARCH, "to=2025-06-01", "from=x&to=2025-06-01", fields={"from"})
wrong_query(SEARCH, f"from={FRIDAY}&to={FRIDAY}&practitionerId=abc",
            f"from={FRIDAY}&to={FRIDAY}&practitionerId=-1",
            f"from={FRIDAY}&to={FRIDAY}&practitionerId=1.5", fields={"practitionerId"})

MINE = "/users/bad-input/appointments"
wrong_query(MINE, "limit=0", "limit=-1", "limit=abc", "limit=1.5", "limit=10000000000", "limit=",
            "limit=1e2", "limit=0x10", "limit=%2B1", "limit=99999999999999999999",
            fields={"limit"})
wrong_query(MINE, "cursor=x", "cursor=%00", "cursor=%ff", "cursor=" + "A" * 5000,
            "cursor=..%2F..", "cursor=MTIz", "cursor=-1", "cursor=null", "cursor=%7B%7D",
            fields={"cursor"})
wrong_query(MINE, "status=unknown", "status=CONFIRMED", "status=confirmed,cancelled%00",
            "status=1", fields={"status"})
wrong_query(MINE, "from=x", "from=2025-02-30", "from=", fields={"from"})
wrong_query(MINE, "to=x", "to=2025-06-31", fields={"to"})
wrong_query(MINE, "limit=x&cursor=&status=&from=x&to=y",
            fields={"limit", "cursor", "status", "from", "to"})
wrong_query("/practitioners", "limit=0", "limit=-5", "limit=x", "limit=1000000", fields={"limit"})
wrong_query("/practitioners", "cursor=x", "cursor=-1", "cursor=1.5", "cursor=%ff",
            "cursor=99999999999999999999", fields={"cursor"})

# --- practitioners and hours (as an administrator) -------------------------------------------

wrong(NEW, "name", MISSING, None, "", 7, True, [], {}, LONG, "a\u0000b")
for request in (NEW, EDIT):
    wrong(request, "timeZone", "", "Mars/Phobos", "../../etc/passwd", "/etc/localtime", 7, [],
          "Europe", "+02:00", "Europe/Berlin ", "posixrules\u0000")
    wrong(request, "bufferBeforeMinutes", -1, 721, 1.5, "5", True, [], 10**20)
    wrong(request, "bufferAfterMinutes", -1, 721, 1.5, "5", {})
    wrong(request, "minNoticeMinutes", -1, 527041, 0.5, "x")
    wrong(request, "horizonDays", 0, -1, 3661, "x", 1.5)
    wrong(request, "cancelNoticeHours", -1, 8785, "x")
    wrong(request, "languages", "German", 7, [7], [None], {"a": 1}, [["a"]], ["a\u0000b"])
    wrong(request, "conditions", "Sleep", [1], {})
    wrong(request, "yearsExperience", -1, "ten", 1.5)
    wrong(request, "price", "x", 1.5, [])
    wrong(request, "email", "nobody", 7, "a@b\r\nBcc: c")
    wrong(request, "active", "yes", 1, [])
    wrong(request, "bio", 7, [], "a\u0000b")
    wrong(request, "preferredVideoPlatform", "skype", 7)

for request in (HOURS, SET_HOURS):
    wrong(request, "dayOfWeek", MISSING, None, -1, 7, 1.5, "1", True, [], 10**12)
    wrong(request, "startTime", MISSING, None, "", "9", "24:00", "9:00", "09:60", 9, [], "x")
    wrong(request, "endTime", MISSING, None, "", "24:01", "25:00", "24:00:01", 17, {}, "09:00")
    wrong(request, "slotDurationMinutes", 4, 0, -5, 1441, "60", 1.5, True, 10**12)
    wrong(request, "isAvailable", "yes", 1, [])
    wrong(request, "notes", 7, [], LONG, "a\u0000b")

for request in (OFF, SET_OFF):
    wrong(request, "date", MISSING, None, "", "2025-02-30", "x", 7, [])
    wrong(request, "startTime", MISSING, "24:00", "x", 9)
    wrong(request, "endTime", MISSING, "24:01", "x", 17, "09:00")
    wrong(request, "slotDurationMinutes", 4, 1441, "60")
    wrong(request, "closed", "yes", 1, [])
    wrong(request, "note", 7, [], LONG)
case("closed, with hours", OFF, body={**VALID[OFF], "closed": True},
     fields={"startTime", "endTime"})
case("open, without hours", OFF, body={"date": "2025-07-01"}, fields={"startTime", "endTime"})
case("hours of nobody", "POST /practitioners/987654321/schedules", body=VALID[HOURS], status=404,
     code="NOT_FOUND", fields=None)
case("an hour that is not there", f"DELETE /practitioners/{DOCTOR}/schedules/987654321",
     status=404, code="NOT_FOUND", fields=None)
wrong_query(f"/practitioners/{DOCTOR}/overrides", "from=x", "from=2025-02-30", fields={"from"})
wrong_query(f"/practitioners/{DOCTOR}/overrides", "to=x", fields={"to"})

# --- media types and methods -----------------------------------------------------------------

for kind in ("", "text/plain", "application/xml", "application/x-www-form-urlencoded",
             "multipart/form-data; boundary=a", "application/json-patch+json", "json", "/", ";",
             "text/html; application/json"):
    case(f"media type {kind!r}", BOOK, content=json.dumps({"a": 1}).encode(), kind=kind,
         status=415, code="UNSUPPORTED_MEDIA_TYPE", fields=None)
for request in ("PATCH /appointments", "GET /appointments", "DELETE /appointments",
                f"DELETE /appointments/{VISIT}", f"POST /appointments/{VISIT}/cancel",
                f"GET /appointments/{VISIT}/cancel", "POST /health", "PUT /openapi.json",
                "POST /availability/search", "LOCK /appointments", "PUT /practitioners",
                "BOOKING /appointments", f"PATCH /practitioners/{DOCTOR}"):
    case(request, request, status=405, code="METHOD_NOT_ALLOWED", fields=None)
for accept in ("text/html", "application/xml", "application/json;q=0", "image/*"):
    case(f"Accept {accept}", "GET /health", headers={"Accept": accept}, status=406,
         code="NOT_ACCEPTABLE", fields=None)


# --- running them ----------------------------------------------------------------------------

@pytest.fixture(scope="module")
def world(api, db):
    """One practitioner with one visit. No case changes it: all are refused."""
    doctor = seed.practitioner(db)
    visit = api.as_client("bad-input").book(doctor, FRIDAY, "09:00:00").expect(201)
    rule = db.value("SELECT min(id) FROM practitioner_schedules WHERE practitioner_id = %s",
                    (doctor,))
    override = seed.override(db, doctor, "2025-08-01", "09:00", "10:00")
    return {DOCTOR: doctor, VISIT: visit["appointmentId"], BOOKING: visit["bookingId"],
            RULE: rule, OVERRIDE: override}


def filled(value, world):
    """Placeholders replaced by ids."""
    if isinstance(value, str):
        if value in world:
            return world[value]
        for name, identity in world.items():
            value = value.replace(name, str(identity))
        return value
    if isinstance(value, dict):
        return {name: filled(member, world) for name, member in value.items()}
    if isinstance(value, list):
        return [filled(member, world) for member in value]
    return value


def send(api, httpd, world, case):
    method, _, target = case.request.partition(" ")
    target = filled(target, world)
    content = case.content
    headers = {"Accept": "application/json", **case.headers}
    if case.body is not None:
        content = json.dumps(filled(case.body, world)).encode()
    if content is not None and case.kind is not None:
        headers["Content-Type"] = case.kind
    headers["Authorization"] = f"Bearer {api.token}"
    if content is not None:
        headers["Content-Length"] = len(content)
    data = raw.request(method, ("/api" + target).encode("utf-8"), list(headers.items()),
                       content or b"")
    return raw.send(httpd, data)


ADMIN = ("/practitioners",)


def test_there_are_many_cases():
    assert len(CASES) >= 200, len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_wrong_request(site, world, case):
    path = case.request.partition(" ")[2]
    admin = path.startswith(ADMIN) and "availability" not in path
    api = site.api.as_admin() if admin else site.api.as_client("bad-input")
    answer = send(api, site.httpd, world, case)
    assert answer is not None, "the connection was closed without an answer"
    if answer.method == "raw":
        answer.sent = case.content if case.content is not None else case.body
    answer.expect(case.status)
    api.check(answer)
    if case.code is not None:
        assert answer.code == case.code, f"expected {case.code}, but {answer}"
    if case.fields:
        assert answer.fields == case.fields, f"expected {case.fields} in details, but {answer}"
    site.api.get("/health").expect(200)


@pytest.mark.parametrize("query", [
    "date=0001-01-01", "date=9999-12-31", "from=9999-11-01&to=9999-12-31", "date=1582-10-10",
    "from=0001-01-01&to=0001-03-03", "date=1970-01-01", "date=2025-06-20&unknown=1&x",
    "date=2025-06-20&&&", "%64ate=2025-06-20", "date=2025%2D06%2D20", "date=2025-06-20&token=x"])
def test_strange_but_right_requests_are_answered(site, world, query):
    """The edges of the calendar, and queries that look odd."""
    site.api.get(f"/practitioners/{world[DOCTOR]}/availability?{query}").expect(200)
    if "from" in query:
        site.api.get(f"/availability/search?{query}").expect(200)


def test_nothing_was_changed_by_all_this(site, world):
    """Runs on its own as well as after the cases."""
    shown = site.api.as_client("bad-input").get(f"/appointments/{world[VISIT]}").expect(200)
    assert (shown["status"], shown["revision"]) == ("confirmed", 0)
    assert len(site.api.slots(world[DOCTOR], FRIDAY)) == 8
    assert site.db.value("SELECT count(*) FROM appointments") == 1
