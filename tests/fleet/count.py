#!/usr/bin/env python3
"""A proxy before an S3 store that counts: `count.py PORT_FILE CALLS UPSTREAM_PORT`.

Listens on a free port of 127.0.0.1, which it writes into PORT_FILE, and forwards every byte unchanged: signatures cover
the Host header. A line of JSON in CALLS for each call: which, of what kind of key, of which database, and how many keys
an answer listed. It knows of HTTP what lifeboat's S3 client uses: it closes on anything else.
"""

import json
import re
import socket
import socketserver
import sys
import threading
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

UPSTREAM = ("127.0.0.1", int(sys.argv[3]))
BLOCK = 65536
WRITING = threading.Lock()


class Head:
    """The first line and the headers, as received."""

    def __init__(self, reader):
        lines = [reader.readline()]
        while lines[-1].strip():
            lines.append(reader.readline())
        self.bytes = b"".join(lines)
        self.first = lines[0].decode("latin-1").split()
        pairs = (line.decode("latin-1").split(":", 1) for line in lines[1:] if b":" in line)
        self.headers = {name.lower(): value.strip() for name, value in pairs}

    def closes(self):
        return self.headers.get("connection", "").lower() == "close"


def copy_body(head, reader, writer, keep=False):
    """Forwards what follows a head; returns it where it is to be kept."""
    kept = []

    def forward(count):
        while count:
            block = reader.read(min(count, BLOCK))
            if not block:
                raise ConnectionError("the body ended early")
            writer.sendall(block)
            count -= len(block)
            if keep:
                kept.append(block)

    if head.headers.get("transfer-encoding", "").lower() == "chunked":
        size = 1
        while size:
            line = reader.readline()
            writer.sendall(line)
            size = int(line.split(b";")[0], 16)
            forward(size)
            # The end of a chunk; behind the last one trailers may come before the empty line.
            line = reader.readline()
            writer.sendall(line)
            while not size and line.strip():
                line = reader.readline()
                writer.sendall(line)
    else:
        forward(int(head.headers.get("content-length", 0)))
    return b"".join(kept)


def kind_of(key):
    """Of a key or of a listing's prefix, without bucket and the repository's prefix."""
    first, _, rest = key.partition("/")
    if first == "manifests":
        return "states" if rest.endswith(".state.zst") else "manifests"
    if "lifeboat.canary/" in rest:
        return "canary"
    if first == "parts":
        is_of_table = re.search(r"/\d+/(parts\.jsonl\.zst|\d+\.copy\.zst\.age)$", rest)
        if not is_of_table:
            return "other files of a point"
        return "part lists" if rest.endswith(".jsonl.zst") else "parts"
    return first or "bucket"


def call_of(method, target):
    """What was called, the kind of its key, and the database that the key names."""
    url = urlsplit(target)
    query = parse_qs(url.query, keep_blank_values=True)
    _, _, key = unquote(url.path).lstrip("/").partition("/")
    what = method
    if not key and ("versions" in query or "list-type" in query):
        what, key = "list", query.get("prefix", [""])[0]
    else:
        subresource = [name for name in ("retention", "object-lock", "versioning") if name in query]
        what = " ".join([method, *subresource])
    # The repository's own prefix is one folder.
    key = key.partition("/")[2]
    folders = key.split("/")
    names_one = folders[0] in ("manifests", "parts", "attestations") and len(folders) > 3
    database = "/".join(folders[1:3]) if names_one and folders[1] != "lifeboat.canary" else None
    return {"call": what, "kind": kind_of(key), "database": database}


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        with socket.create_connection(UPSTREAM) as store, self.request.makefile("rb") as asked:
            for one in (store, self.request):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with store.makefile("rb") as answers:
                while self.forward(asked, store, answers):
                    pass

    def forward(self, asked, store, answers):
        """One call; false at the end of the connection."""
        request = Head(asked)
        if not request.first:
            return False
        method, target = request.first[:2]
        if "expect" in request.headers:
            raise ValueError(f"{method} {target} expects an answer before its body")
        store.sendall(request.bytes)
        copy_body(request, asked, store)
        answer = Head(answers)
        if not answer.first:
            # A connection that was idle for too long: the client asks again.
            return False
        call = call_of(method, target)
        self.request.sendall(answer.bytes)
        if method != "HEAD" and answer.first[1] not in ("204", "304"):
            body = copy_body(answer, answers, self.request, keep=call["call"] == "list")
            if call["call"] == "list":
                call["keys"] = len(re.findall(rb"<Version>|<DeleteMarker>|<CommonPrefixes>", body))
        call["status"] = int(answer.first[1])
        with WRITING, CALLS.open("a") as file:
            file.write(json.dumps(call) + "\n")
        return not (request.closes() or answer.closes())


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128


CALLS = Path(sys.argv[2])
CALLS.touch()
with Server(("127.0.0.1", 0), Handler) as server:
    port_file = Path(sys.argv[1])
    written = port_file.with_suffix(".new")
    written.write_text(f"{server.server_address[1]}\n")
    written.rename(port_file)
    server.serve_forever()
