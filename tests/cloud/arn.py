"""Amazon resource names and the wildcards that policies match them with."""

import re
from functools import lru_cache

SEGMENTS = 6


def split(arn):
    """The six segments: arn, partition, service, region, account, resource."""
    return arn.split(":", SEGMENTS - 1)


def account_of(arn):
    parts = split(arn)
    return parts[4] if len(parts) == SEGMENTS else ""


def region_of(arn):
    parts = split(arn)
    return parts[3] if len(parts) == SEGMENTS else ""


@lru_cache(maxsize=4096)
def _pattern(text):
    return re.compile(regex(text), re.DOTALL)


def regex(text):
    """A wildcard pattern as a regular expression: * is any text, ? one character."""
    return "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in text)


def like(pattern, text):
    """Case-sensitive, across the whole text."""
    return _pattern(pattern).fullmatch(text) is not None


def arn_like(pattern, arn):
    """Each of the six segments is matched by itself; missing ones of the pattern stand for anything."""
    if pattern == "*":
        return True
    wanted, found = split(pattern), split(arn)
    if len(found) != SEGMENTS:
        return False
    wanted += ["*"] * (SEGMENTS - len(wanted))
    return all(like(want, have) for want, have in zip(wanted, found))
