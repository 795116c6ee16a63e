"""The module's clock, which the tests set: a file with an RFC 3339 instant."""
import datetime
import os

START = "2025-06-01T08:00:00Z"  # a Sunday before every date of the published examples


def parse(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


class Clock:
    def __init__(self, path, start=START):
        self.path = str(path)
        self.start = start
        self.set(start)

    def set(self, instant):
        text = instant if isinstance(instant, str) else \
            instant.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        with open(self.path + ".new", "w") as file:
            file.write(text)
        os.chmod(self.path + ".new", 0o644)
        os.replace(self.path + ".new", self.path)  # a reader sees the old or the new one
        self._now = parse(text)

    def now(self):
        return self._now

    def advance(self, **delta):
        self.set(self._now + datetime.timedelta(**delta))

    def reset(self):
        self.set(self.start)
