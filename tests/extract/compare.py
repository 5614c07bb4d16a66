"""Compares rows that lifeboat extracted with those that PostgreSQL itself printed, whatever their order.

Reads a list of [format, ours, theirs, whether headers are alike] as JSON from the file that is named.
"""

import csv
import io
import json
import re
import sys
import threading
from collections import Counter

csv.field_size_limit(1 << 30)


def copy_rows(text):
    assert text == b"" or text.endswith(b"\n"), "the last row is cut"
    return text.split(b"\n")[:-1]


def csv_records(text):
    """A record ends at a line break outside of quotes."""
    records, begun, is_open = [], [], False
    for line in text.split(b"\n"):
        begun.append(line)
        is_open ^= line.count(b'"') % 2 == 1
        if not is_open:
            records.append(b"\n".join(begun))
            begun = []
    assert begun == [], "a quote is never closed"
    assert records.pop() == b"", "the last record is cut"
    return records


def compare_csv(ours, theirs, headers):
    our_records, their_records = csv_records(ours), csv_records(theirs)
    if headers:
        assert our_records[0] == their_records[0], (our_records[0], their_records[0])
    compare_lists(our_records[1:], their_records[1:])
    # A reader that knows nothing of PostgreSQL sees as many fields in each row.
    read = list(csv.reader(io.StringIO(ours.decode("latin-1"), newline=""), strict=True))
    widths = {len(row) for row in read if row}
    assert len(widths) <= 1, widths
    assert len(read) == len(our_records), (len(read), len(our_records))


def unescaped(text):
    """One column of COPY text: psql's own printing leaves characters out."""
    escapes = {b"b": b"\b", b"f": b"\f", b"t": b"\t", b"v": b"\v"}
    return re.sub(rb"\\(.)", lambda found: escapes.get(found[1], found[1]), text)


def json_rows(text):
    rows = []
    for line in text.decode("utf-8").split("\n")[:-1]:
        value = json.loads(line, parse_int=str, parse_float=str, parse_constant=refuse)
        rows.append(json.dumps(value, sort_keys=True))
    return rows


def refuse(word):
    raise AssertionError(f"{word} is no JSON")


def compare_lists(ours, theirs):
    more, less = Counter(ours) - Counter(theirs), Counter(theirs) - Counter(ours)
    assert not more and not less, (list(more)[:3], list(less)[:3])


def main():
    compared = 0
    with open(sys.argv[1], encoding="utf-8") as file:
        pairs = json.load(file)
    for kind, ours, theirs, headers in pairs:
        with open(ours, "rb") as file:
            our_text = file.read()
        with open(theirs, "rb") as file:
            their_text = file.read()
        try:
            if kind == "csv":
                compare_csv(our_text, their_text, headers)
            elif kind == "jsonl":
                compare_lists(json_rows(our_text), json_rows(unescaped(their_text)))
            else:
                compare_lists(copy_rows(our_text), copy_rows(their_text))
        except (AssertionError, ValueError) as error:
            sys.exit(f"{kind} {ours} {theirs}: {error!r}")
        compared += 1
    print(compared)


# JSON may be as deep as PostgreSQL reads it.
sys.setrecursionlimit(1_000_000)
threading.stack_size(1 << 29)
failures = []


def guarded():
    try:
        main()
    except BaseException as error:
        failures.append(error)


thread = threading.Thread(target=guarded)
thread.start()
thread.join()
if failures:
    raise failures[0]
