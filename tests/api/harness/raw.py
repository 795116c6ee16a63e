"""Requests that no client library would send, byte for byte."""
import http.client
import socket

from . import client


def send(httpd, data, timeout=10, close_early=False):
    """Sends *data* and answers the parsed answer, or None when the server just closed."""
    with socket.create_connection(("127.0.0.1", httpd.port), timeout) as connection:
        connection.settimeout(timeout)
        try:
            connection.sendall(data)
            if close_early:
                connection.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the answer may be there already
        response = http.client.HTTPResponse(connection)
        try:
            response.begin()
            content = response.read()
        except (http.client.HTTPException, ConnectionResetError):
            return None
        first = data.split(b"\r\n", 1)[0].decode("latin-1")
        headers = client.requests.structures.CaseInsensitiveDict(response.getheaders())
        return client.Answer("raw", first[:200], None, response.status, headers, content)


def request(method, target, headers=(), body=b"", host="clinic.example"):
    """Bytes of a request; *target* may be bytes that are not a URL."""
    if isinstance(target, str):
        target = target.encode("latin-1")
    lines = [method.encode() + b" " + target + b" HTTP/1.1", b"Host: " + host.encode(),
             b"Connection: close"]
    for name, value in headers:
        value = value if isinstance(value, bytes) else str(value).encode("latin-1")
        lines.append(name.encode() + b": " + value)
    if body and not any(name.lower() in ("content-length", "transfer-encoding")
                        for name, _ in headers):
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
