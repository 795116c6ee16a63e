"""A client of the API that checks what holds for every answer."""
import datetime
import json as json_module
import re
import threading

import requests

from . import contract, tokens

_PERSONAL = ("userName", "userEmail", "notes", "reason", "manageToken", "email")
_INSTANT = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$")


class Canaries:
    """What must never be seen in a log: names, addresses, notes, tokens used by the tests."""

    def __init__(self):
        self.words = set()

    def add(self, word):
        if isinstance(word, str) and len(word) >= 10:
            self.words.add(word)

    def learn(self, value):
        """Takes personal members out of a JSON document."""
        if isinstance(value, dict):
            for name, member in value.items():
                if name in _PERSONAL:
                    self.add(member)
                else:
                    self.learn(member)
        elif isinstance(value, list):
            for member in value:
                self.learn(member)


CANARIES = Canaries()


class Answer:
    """One answer: status, headers, body (parsed JSON, None without one), and how it came about."""

    def __init__(self, method, path, sent, status, headers, content):
        self.method, self.path, self.sent = method, path, sent
        self.status, self.headers, self.content = status, headers, content
        self.body = None
        if content and headers.get("Content-Type", "").startswith("application/json"):
            self.body = json_module.loads(content)

    def __str__(self):
        sent = "" if self.sent is None else f"\n  sent: {str(self.sent)[:600]}"
        text = self.content[:1500].decode("utf-8", "replace")
        return f"{self.method} {self.path} was answered {self.status}{sent}\n  body: {text}"

    def expect(self, status, code=None):
        """Fails in words unless the status, and the error code, are these. Returns itself."""
        allowed = status if isinstance(status, (tuple, list, set)) else (status,)
        assert self.status in allowed, f"expected {status}, but {self}"
        if code is not None:
            assert self.body["code"] == code, f"expected code {code}, but {self}"
        return self

    @property
    def code(self):
        return self.body.get("code") if isinstance(self.body, dict) else None

    @property
    def fields(self):
        """The names of the fields found wrong, each once."""
        return {row["field"] for row in (self.body or {}).get("details", [])}

    @property
    def etag(self):
        return self.headers.get("ETag")

    def __getitem__(self, name):
        return self.body[name]


def check_error(answer):
    """An error has the whole envelope of docs/api.md, whoever made it."""
    kind = answer.headers.get("Content-Type", "")
    assert kind.split(";")[0] == "application/json", f"an error of type {kind!r}: {answer}"
    body = answer.body
    assert isinstance(body, dict), f"an error whose body is not an object: {answer}"
    for name, type_ in (("success", bool), ("error", str), ("message", str), ("code", str),
                        ("statusCode", int), ("requestId", str)):
        assert isinstance(body.get(name), type_), f"member {name} is not {type_.__name__}: {answer}"
    assert body["success"] is False, f"success is not false: {answer}"
    assert body["error"] == body["message"] != "", f"error and message differ: {answer}"
    assert body["requestId"], f"no requestId: {answer}"
    assert body["statusCode"] == answer.status, f"statusCode is not the status: {answer}"
    assert body["code"] in contract.ERRORS, f"code {body['code']} is not documented: {answer}"
    assert contract.ERRORS[body["code"]] == answer.status, \
        f"code {body['code']} belongs to status {contract.ERRORS[body['code']]}: {answer}"
    for row in body.get("details", []):
        assert set(row) == {"field", "issue"} and all(isinstance(v, str) for v in row.values()), \
            f"details are not pairs of field and issue: {answer}"
    if answer.status in (429, 503):
        assert int(answer.headers.get("Retry-After", "-1")) >= 0, f"no Retry-After: {answer}"
    if answer.status == 401:
        assert answer.headers.get("WWW-Authenticate"), f"401 without WWW-Authenticate: {answer}"
    if answer.status == 405:
        assert answer.headers.get("Allow"), f"405 without Allow: {answer}"


def check_times(answer, value):
    """Instants in *value* are RFC 3339 with an offset, wherever they stand."""
    if isinstance(value, dict):
        for name, member in value.items():
            if name in ("startsAt", "endsAt", "createdAt", "updatedAt") \
                    and not isinstance(member, dict):
                assert _INSTANT.match(member), f"{name} {member!r} is not RFC 3339: {answer}"
                datetime.datetime.fromisoformat(member.replace("Z", "+00:00"))
            else:
                check_times(answer, member)
    elif isinstance(value, list):
        for member in value:
            check_times(answer, member)


class Api:
    """Requests in one identity. as_client() and the like give another view of the same server."""

    def __init__(self, httpd, token=None, prefix=None, timeout=30):
        self.httpd = httpd
        self.token = token
        self.prefix = httpd.prefix if prefix is None else prefix
        self.timeout = timeout
        self._local = threading.local()
        CANARIES.add(token)

    # --- identities ----------------------------------------------------------------------

    def with_token(self, token):
        return Api(self.httpd, token, self.prefix, self.timeout)

    def as_role(self, role, sub):
        return self.with_token(tokens.token(role, sub))

    def as_client(self, sub="user-1"):
        return self.as_role("client", sub)

    def as_therapist(self, sub):
        return self.as_role("therapist", sub)

    def as_admin(self, sub="admin-1"):
        return self.as_role("admin", sub)

    def as_user(self, sub):
        """Signed in, without a role claim."""
        return self.as_role(None, sub)

    def anonymous(self):
        return self.with_token(None)

    # --- requests ------------------------------------------------------------------------

    def session(self):
        """One connection per thread."""
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
            self._local.session.trust_env = False
        return self._local.session

    def request(self, method, path, json=None, body=None, headers=None, params=None,
                check=True, timeout=None):
        """*json*: a value to send as JSON; *body*: bytes (or an iterator: chunked) sent as they
        are. *path* begins after the prefix, unless it is a whole one beginning with "//"."""
        sent = {"Accept": "application/json"}
        if self.token is not None:
            sent["Authorization"] = f"Bearer {self.token}"
        if json is not None:
            body = json_module.dumps(json).encode()
            sent["Content-Type"] = "application/json"
            CANARIES.learn(json)
        sent.update(headers or {})
        sent = {name: value for name, value in sent.items() if value is not None}
        url = self.httpd.url + (path[1:] if path.startswith("//") else self.prefix + path)
        response = self.session().request(
            method, url, data=body, headers=sent, params=params, allow_redirects=False,
            timeout=timeout or self.timeout)
        answer = Answer(method, path, json if json is not None else body, response.status_code,
                        response.headers, response.content)
        if check and method != "HEAD":
            self.check(answer)
        return answer

    @staticmethod
    def check(answer):
        CANARIES.learn(answer.body)
        if answer.status >= 400:
            check_error(answer)
        elif answer.body is not None:
            check_times(answer, answer.body)

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, json=None, **options):
        return self.request("POST", path, json=json, **options)

    def put(self, path, json=None, **options):
        return self.request("PUT", path, json=json, **options)

    def delete(self, path, **options):
        return self.request("DELETE", path, **options)

    # --- what most tests do --------------------------------------------------------------

    def slots(self, practitioner, date):
        """The day's slots as listed."""
        return self.get(f"/practitioners/{practitioner}/availability?date={date}") \
                   .expect(200)["timeSlots"]

    def free(self, practitioner, date):
        return [slot for slot in self.slots(practitioner, date) if slot["available"]]

    def labels(self, practitioner, date):
        return [slot["time"] for slot in self.slots(practitioner, date)]

    def book(self, practitioner, date=None, time=None, **members):
        """POST /appointments; members given as None are left out."""
        body = {"practitionerId": practitioner, "date": date, "time": time, **members}
        body = {name: value for name, value in body.items() if value is not None}
        return self.post("/appointments", body)
