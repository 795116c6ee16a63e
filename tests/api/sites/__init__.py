"""Servers that include the files of conf/sites/ as they are, and requests to them.

A Server loads only the modules that a site file names, so that those lists stay true.
"""
import functools
import http.client
import json
import ssl
import subprocess
import time
import urllib.parse

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from requests.structures import CaseInsensitiveDict

from harness import build, client, wait
from harness.httpd import Httpd, free_port

SITES = build.TOP / "conf" / "sites"

ISSUER = "https://idp.example/"
AUDIENCE = "booking-api"
ORIGIN = "https://www.clinic.example"
FOREIGN = "https://www.clinic.example.evil.example"

# Tokens that cannot be verified and requests that are refused, as Debian's modules report them.
REFUSALS = r"\[oauth2:(error|warn)\]|AH01630|AH01631"

BEARER = ("dbd", "headers", "rewrite", "setenvif", "oauth2")
STAFF = ("authn_dbd", "auth_form", "session", "session_dbd", "session_crypto", "request")
CORE = ("authn_core", "authz_core", "mime", "dir")


def include(*names):
    return "\n".join(f'Include "{SITES / name}"' for name in names)


def define(**values):
    """Define lines; None is left out."""
    lines = []
    for name, value in values.items():
        if value is not None:
            quote = "'" if '"' in str(value) else '"'
            lines.append(f"Define {name} {quote}{value}{quote}")
    return "\n".join(lines)


def bearer(db, **more):
    """What database.conf and bearer.conf want to know."""
    return define(**{"BK_DB": db.dsn(), "BK_KEY": "k1 file:{key}", "BK_ISSUER": ISSUER,
                     "BK_ORIGINS": f"'{ORIGIN}', 'https://app.clinic.example'",
                     "BK_JWK": jwk("idp"), **more})


class Server(Httpd):
    """head: at server level; inside: inside the virtual host; after: further virtual hosts.
    {port}, {second} (another port), {root}, {key} and {docroot} are filled in. modules: in load
    order."""

    def __init__(self, head="", inside="", after="", modules=(), **options):
        super().__init__(auth="", **options)
        self.head, self.inside, self.after = head, inside, after
        self.wanted = list(dict.fromkeys([*CORE, *modules]))
        self.second = free_port()
        self.log_level = "info"
        (self.docroot / "index.html").write_text("page\n")
        self.allow_log(REFUSALS, always=True)
        # The event MPM at its end, when a connection was just about to be kept alive.
        self.allow_log("AH03093", always=True)

    def fill(self, text):
        for name, value in {"port": self.port, "second": self.second, "root": self.root,
                            "key": self.key_file, "docroot": self.docroot}.items():
            text = text.replace("{" + name + "}", str(value))
        return text

    def load_lines(self):
        lines = [f"LoadModule {name}_module {build.MODULES}/mod_{name}.so"
                 for name in [f"mpm_{self.mpm}", *self.wanted]]
        return "\n".join([*lines, f"LoadModule booking_module {build.MODULE}"])

    def host_lines(self):
        return self.fill(
            f"{self.head}\n<VirtualHost 127.0.0.1:{{port}}>\nServerName clinic.example\n"
            f"DocumentRoot {{docroot}}\n{self.inside}\n</VirtualHost>\n{self.after}\n")

    def destroy(self):
        # Connections that are just being closed can crash the event MPM of 2.4.71 as it ends.
        time.sleep(0.2)
        super().destroy()

    def ask(self, method, path, headers=None, body=None, token=None, source="127.0.0.1",
            second=False, tls=False, check=True):
        """One request on a connection of its own; *source* is the client's address."""
        port = self.second if second else self.port
        options = {"timeout": 20, "source_address": (source, 0)}
        if tls:
            context = ssl._create_unverified_context()
            connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, **options)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", port, **options)
        headers = {"Host": f"clinic.example:{port}", **(headers or {})}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if isinstance(body, dict):
            body = json.dumps(body)
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, path, body=body, headers=headers)
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        fields = CaseInsensitiveDict()
        for name, value in response.getheaders():  # a field that is sent twice is seen twice
            fields[name] = f"{fields[name]}, {value}" if name in fields else value
        answer = client.Answer(method, path, body, response.status, fields, content)
        if check and answer.status >= 400:
            client.check_error(answer)
        return answer

    def get(self, path, **options):
        return self.ask("GET", path, **options)

    def log_lines(self, name, count, seconds=5):
        """The lines of a log, when there are *count* of them: httpd logs after it has answered."""
        path = self.root / "logs" / name

        def lines():
            found = path.read_text().splitlines() if path.exists() else []
            return found if len(found) >= count else None
        return wait.until(lines, f"{count} lines in {name}", seconds)


@pytest.fixture
def serve():
    """Makes servers, and ends them after the test. files: further ones for conf/."""
    made = []

    def start(run=True, files=None, **options):
        server = Server(**options)
        made.append(server)
        for name, content in (files or {}).items():
            (server.root / "conf" / name).write_bytes(content)
        return server.start() if run else server.write()
    yield start
    for server in made:
        server.destroy()


# --- bearer tokens ---------------------------------------------------------------------------

@functools.lru_cache(maxsize=None)
def rsa_key(name):
    """A key pair for each name, made once."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def jwk(name):
    """The public key as a provider publishes it."""
    text = jwt.algorithms.RSAAlgorithm.to_jwk(rsa_key(name).public_key())
    document = json.loads(text)
    return json.dumps({"kty": "RSA", "kid": name, "alg": "RS256", "use": "sig",
                       "n": document["n"], "e": document["e"]}, separators=(",", ":"))


def public_pem(name):
    return rsa_key(name).public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def token(role="client", sub="user-1", key="idp", algorithm="RS256", kid=None, secret=None,
          **claims):
    """A token. A claim given as None is left out."""
    now = int(time.time())
    payload = {"iss": ISSUER, "aud": AUDIENCE, "sub": sub, "role": role, "iat": now,
               "exp": now + 600, **claims}
    payload = {name: value for name, value in payload.items() if value is not None}
    made = jwt.encode(payload, secret if secret is not None else rsa_key(key),
                      algorithm=algorithm, headers={"kid": kid or key})
    client.CANARIES.add(made)
    return made


# --- staff -----------------------------------------------------------------------------------

def password_hash(password):
    done = subprocess.run(["htpasswd", "-nbBC", "5", "x", password], capture_output=True,
                          text=True, check=True)
    return done.stdout.strip().partition(":")[2]


def install_staff(db):
    """Runs staff-login.sql as its head says; the database's owner does."""
    db.sql((SITES / "staff-login.sql").read_text())


def add_staff(db, username, password, role, active=True):
    db.sql("INSERT INTO staff (username, password, role, active) VALUES (%s, %s, %s, %s)",
           (username, password_hash(password), role, active))


def form(username, password):
    return urllib.parse.urlencode({"httpd_username": username, "httpd_password": password})


def cookie(answer):
    """The session cookie that an answer sets, as a client would send it back."""
    return answer.headers.get("Set-Cookie", "").split(";")[0] or None
