"""Bearer tokens as the clinic's identity provider would make them."""
import functools
import time

import jwt

SECRET = "0123456789abcdef0123456789abcdef-test"
ISSUER = "https://idp.example"
AUDIENCE = "booking-api"


def make(role="client", sub="user-1", secret=SECRET, **claims):
    """A token. A claim given as None is left out. Times are those of the real clock: the
    module that checks signatures knows no other."""
    now = int(time.time())
    payload = {"iss": ISSUER, "aud": AUDIENCE, "sub": sub, "role": role,
               "iat": now, "exp": now + 7200}
    payload.update(claims)
    payload = {name: value for name, value in payload.items() if value is not None}
    return jwt.encode(payload, secret, algorithm="HS256")


@functools.lru_cache(maxsize=4096)
def token(role="client", sub="user-1"):
    return make(role, sub)
