"""The HTTP front: reads a request, checks who asks and whether they may, does it, and logs it."""

import argparse
import http
import logging
import os
import re
import resource
import signal
import socket
import struct
import sys
import threading
import time
import traceback
from email.utils import format_datetime

from werkzeug.serving import make_server

from . import (
    asks,
    cloudformation,
    cloudwatch,
    control,
    ec2,
    errors,
    iam,
    identity,
    kms,
    moto_parts,
    organizations,
    rds,
    s3,
    signature,
    sts,
)
from . import call as calls
from .clock import CLOCK
from .conditions import Unknown
from .errors import AwsError
from .faults import AFTER, BEFORE, FAULTS
from .policy import Malformed
from .state import STATE

LOG = logging.getLogger("cloud")
# What each service does beside moto: checks before, and answers of its own.
HANDLERS = {
    "s3": s3.handle,
    "kms": kms.handle,
    "rds": rds.handle,
    "sts": sts.handle,
    "iam": iam.handle,
    "ec2": ec2.handle,
    "cloudwatch": cloudwatch.handle,
    "cloudformation": cloudformation.handle,
    "organizations": organizations.handle,
}


class Dropped(ConnectionError):
    """The connection was broken on purpose."""


def application(environ, start_response):
    if environ["PATH_INFO"].startswith("/__control/"):
        return control.respond(environ, start_response)
    entry = FAULTS.begin()
    status, headers, body = _serve(environ, entry)
    entry.status, entry.code = status, entry.code or _code_in(status, headers, body)
    told_length = next((value for name, value in headers.items() if name.lower() == "content-length"), "0")
    ours = ("date", "server", "content-length")
    headers = {name: value for name, value in headers.items() if name.lower() not in ours}
    headers["Date"] = format_datetime(CLOCK.now() + CLOCK.skew, usegmt=True)
    if environ["REQUEST_METHOD"] == "HEAD":
        headers["Content-Length"], body = told_length, b""
    elif status not in (204, 304):
        headers["Content-Length"] = str(len(body))
    start_response(f"{status} {_reason(status)}", list(headers.items()))
    return [body]


def _code_in(status, headers, body):
    """Of moto's errors, for the log."""
    if status < 400:
        return ""
    found = re.search(rb"<Code>([^<]+)</Code>", body)
    return found.group(1).decode() if found else headers.get("x-amzn-errortype", headers.get("X-Amzn-ErrorType", ""))


def _reason(status):
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


# ---------------------------------------------------------------- one call


def _serve(environ, entry):
    service, method = "s3", environ["REQUEST_METHOD"]
    try:
        call = calls.read(environ)
        service = call.service
        calls.name_operation(call)
        entry.operation = call.action
        _authenticate(call)
        _note(call, entry)
        rule = FAULTS.strikes(entry)
        if rule and rule.when == BEFORE and rule.kind in ("error", "reset", "hang"):
            _strike(rule, entry, environ)
        answer = _judge_and_do(call, entry)
        return _strike_answer(rule, entry, environ, answer) if rule else answer
    except AwsError as error:
        entry.code = errors.in_words_of(service, error)[0]
        status, headers, body = errors.answer(service, error)
        return status, headers, b"" if method == "HEAD" else body
    except Unknown as error:
        return _unknown(service, entry, f"the tests' AWS does not know: {error}")
    except ConnectionError:  # the client went away, or a fault made it so
        entry.status = 0
        raise
    except Exception as error:
        traceback.print_exc()
        return _unknown(service, entry, f"the tests' AWS failed: {type(error).__name__}: {error}")


def _unknown(service, entry, message):
    """Loud, so that no test passes on what was never judged."""
    LOG.error("%s %s: %s", errors.UNKNOWN_CODE, entry.operation, message)
    STATE.unknown.append(
        {"call": entry.number, "account": entry.account, "operation": entry.operation, "message": message}
    )
    entry.code = errors.UNKNOWN_CODE
    status, headers, body = errors.answer(service, AwsError(errors.UNKNOWN_CODE, message, 500))
    return status, headers | {"x-tests-aws": "unknown"}, body


def _authenticate(call):
    if not call.signed:
        if call.service != "s3":
            raise AwsError("MissingAuthenticationToken", "Request is missing Authentication Token", 403)
        return
    with STATE.lock:
        secret, call.principal = identity.secret_and_principal(call.signed)
    headers = calls.headers_of(call.environ)  # as they came: reading the body may have added some
    signature.check(call.signed, secret, call.method, call.raw_path, call.raw_query, headers, call.payload_hash)


def _note(call, entry):
    entry.account, entry.principal = call.principal.account, call.principal.arn
    entry.access_key = call.signed.access_key if call.signed else ""
    if call.bucket:
        entry.resources.append(f"{call.bucket}/{call.key}")
    entry.resources += [
        value
        for name, value in call.params.items()
        if isinstance(value, str) and name.endswith(("Identifier", "Id", "Name", "Arn"))
    ]
    entry.resources += call.params.get("GroupIds", [])


def _judge_and_do(call, entry):
    with STATE.lock:
        try:
            asks.authorise(call)
            return HANDLERS[call.service](call)
        except Malformed as error:
            raise Unknown(f"a stored policy that AWS would refuse: {error}") from None
        finally:
            entry.asked = call.asked


# ---------------------------------------------------------------- faults


def _strike(rule, entry, environ):
    if rule.kind == "hang":
        if not FAULTS.hang(rule, entry) or _is_gone(environ["werkzeug.socket"]):
            raise Dropped()
    elif rule.kind == "reset":
        _reset(environ)
    else:
        raise AwsError(rule.code, rule.message, rule.status)


def _strike_answer(rule, entry, environ, answer):
    if rule.when == AFTER and rule.kind in ("error", "reset", "hang"):
        _strike(rule, entry, environ)
    status, headers, body = answer
    if rule.kind == "truncate":
        _send_part(environ, status, headers, body, rule.bytes)
    if rule.kind == "corrupt" and body:
        body = bytes([body[0] ^ 1]) + body[1:]
    return status, headers, body


def _is_gone(connection):
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _reset(environ):
    """The peer sees a reset, not an end, when the handler closes."""
    environ["werkzeug.socket"].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise Dropped()


def _send_part(environ, status, headers, body, length):
    head = [f"HTTP/1.1 {status} {_reason(status)}"]
    head += [
        f"{name}: {value}"
        for name, value in headers.items()
        if name.lower() not in ("content-length", "date", "server")
    ]
    head += [f"Content-Length: {len(body)}", f"Date: {format_datetime(CLOCK.now(), usegmt=True)}", "", ""]
    connection = environ["werkzeug.socket"]
    connection.sendall("\r\n".join(head).encode("latin-1") + body[:length])
    raise Dropped()


# ---------------------------------------------------------------- serving


class Handler(moto_parts.MotoRequestHandler):
    protocol_version = "HTTP/1.1"
    # A reply is written in pieces; they must not wait for each other.
    disable_nagle_algorithm = True

    def log(self, *_):
        """No line for each request: GET /__control/calls has them."""

    def handle_expect_100(self):
        return True  # werkzeug says "100 Continue" itself

    def version_string(self):
        return "tests-aws"

    def send_response(self, code, message=None):
        self.log_request(code)
        self.send_response_only(code, message)

    def connection_dropped(self, *_):
        self.close_connection = True


class Server:
    """Serves in a thread of its own; `port` 0 takes a free one."""

    def __init__(self, port=0, host="127.0.0.1"):
        self.server = make_server(host, port, application, threaded=True, request_handler=Handler)
        self.server.daemon_threads = True
        # Without the shutdown before it, which would say goodbye where a reset is wanted.
        self.server.shutdown_request = self.server.close_request
        self.port = self.server.server_port
        self.url = STATE.url = f"http://{host}:{self.port}"

    def start(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def stop(self):
        FAULTS.release()
        self.server.shutdown()


def _allow_many_files():
    """Each large object keeps a temporary file open."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main():
    # Before anybody hears of the server, who may end at once.
    parent = os.getppid()
    parser = argparse.ArgumentParser(prog="serve.sh", description="Serves the tests' AWS; prints its port.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--with-parent", action="store_true", help="ends when the process that started it has ended")
    options = parser.parse_args()
    _allow_many_files()
    logging.basicConfig(format="%(name)s: %(message)s", level=logging.WARNING)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    server = Server(options.port, options.host).start()
    print(server.port, flush=True)
    try:
        while not options.with_parent or os.getppid() == parent:
            time.sleep(1)
    except KeyboardInterrupt:
        pass
    sys.exit(0)


if __name__ == "__main__":
    main()
