"""The rule of free times, written a second time and as plainly as possible, to compare with."""
import datetime
import zoneinfo

UTC = datetime.timezone.utc
DAY = datetime.timedelta(days=1)
BLOCKING = ("held", "scheduled", "confirmed")


def _instant(date, time, zone):
    """A wall time as an instant: the first of two, or as before the gap. 24:00 is tomorrow's 0."""
    if time == "24:00":
        date, time = date + DAY, "00:00"
    local = datetime.datetime.combine(date, datetime.time.fromisoformat(time), tzinfo=zone)
    return local.astimezone(UTC)


def _merged(spans):
    joined = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if joined and start <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], end)
        else:
            joined.append([start, end])
    return joined


class Model:
    """One practitioner's hours and visits, read from the database as text and instants."""

    def __init__(self, db, identity):
        self.row = db.one("SELECT * FROM practitioners WHERE id = %s", (identity,))
        self.zone = zoneinfo.ZoneInfo(self.row["time_zone"])
        times = "to_char(start_time, 'HH24:MI') AS start, to_char(end_time, 'HH24:MI') AS end"
        self.rules = db.sql(f"SELECT day_of_week, slot_duration_minutes AS slot, {times}"
                            " FROM practitioner_schedules"
                            " WHERE practitioner_id = %s AND is_available", (identity,))
        self.overrides = db.sql(f"SELECT date, closed, slot_duration_minutes AS slot, {times}"
                                " FROM practitioner_date_overrides"
                                " WHERE practitioner_id = %s", (identity,))
        self.visits = db.sql("SELECT * FROM appointments WHERE practitioner_id = %s", (identity,))

    def _hours(self, date):
        """(slot minutes, start, end) of the hours that begin on the date."""
        rows = [row for row in self.overrides if row["date"] == date]
        if rows:
            rows = [row for row in rows if not row["closed"]]
        else:
            rows = [row for row in self.rules if row["day_of_week"] == date.isoweekday() % 7]
        for row in rows:
            over_midnight = row["end"] != "24:00" and row["end"] <= row["start"]
            yield (row["slot"], _instant(date, row["start"], self.zone),
                   _instant(date + DAY if over_midnight else date, row["end"], self.zone))

    def _starts(self, date):
        """{start: minutes} of the slots of the hours that begin on the date."""
        hours, starts = list(self._hours(date)), {}
        for slot in sorted({row[0] for row in hours}, reverse=True):
            step = datetime.timedelta(minutes=slot)
            for start, end in _merged([row[1:] for row in hours if row[0] == slot]):
                while start + step <= end:
                    starts[start] = slot  # the shorter ones come later, and stay
                    start += step
        return starts

    def _free(self, start, end, now):
        minutes = lambda name: datetime.timedelta(minutes=self.row[name])
        if not now + minutes("min_notice_minutes") <= start \
                <= now + datetime.timedelta(days=self.row["horizon_days"]):
            return False
        for visit in self.visits:
            if visit["status"] not in BLOCKING or \
                    (visit["hold_expires_at"] and visit["hold_expires_at"] <= now):
                continue
            before = max(visit["starts_at"] - visit["blocked_from"],
                         minutes("buffer_after_minutes"))
            after = max(visit["blocked_until"] - visit["ends_at"],
                        minutes("buffer_before_minutes"))
            if start < visit["ends_at"] + after and end > visit["starts_at"] - before:
                return False
        return True

    def slots(self, date, now):
        """The date's slots as the API lists them."""
        date = datetime.date.fromisoformat(date)
        starts = {}
        for origin in (date - 2 * DAY, date - DAY, date):
            for start, slot in self._starts(origin).items():
                starts[start] = min(slot, starts.get(start, slot))
        listed, labels = [], set()
        for start, slot in sorted(starts.items()):
            local = start.astimezone(self.zone)
            label = local.strftime("%I:%M %p")
            if local.date() == date and label not in labels:
                labels.add(label)
                end = start + datetime.timedelta(minutes=slot)
                listed.append({"time": label, "available": self._free(start, end, now),
                               "startsAt": local.isoformat(), "durationMinutes": slot})
        return listed
