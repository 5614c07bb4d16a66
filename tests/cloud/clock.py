"""The time in which this AWS lives: real time plus an offset that tests move."""

from datetime import datetime, timedelta, timezone


class Clock:
    def __init__(self):
        self.offset = timedelta()
        # How far the clock that judges signatures is off the callers'; see signature.py.
        self.skew = timedelta()

    def now(self):
        return datetime.now(timezone.utc) + self.offset

    def advance(self, seconds):
        self.offset += timedelta(seconds=seconds)


CLOCK = Clock()


def now():
    return CLOCK.now()


def iso(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
