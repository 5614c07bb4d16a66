"""What tests steer the AWS by: everything below /__control/, without signatures or policies."""

import json
import traceback
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qsl

from . import clients, clock, moto_parts, rds, s3_lifecycle, security_groups, setup, template
from .clock import CLOCK
from .faults import FAULTS
from .stack import Stack
from .state import STATE


def respond(environ, start_response):
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"].removeprefix("/__control/")
    query = dict(parse_qsl(environ.get("QUERY_STRING", "")))
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(length)
    handler = ROUTES.get((method, path))
    try:
        if handler is None:
            status, answer = "404 Not Found", {"error": f"{method} {path}: there are {sorted(ROUTES)}"}
        else:
            status, answer = "200 OK", handler(query, json.loads(body or b"{}"))
    except Exception as error:  # the test shall see what it did wrong
        traceback.print_exc()
        status, answer = "400 Bad Request", {"error": f"{type(error).__name__}: {error}"}
    text = json.dumps(answer, default=str).encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(text)))])
    return [text]


def _reset(*_):
    with STATE.lock:
        moto_parts.forget_everything()
        STATE.clear()
    FAULTS.clear()
    return {}


def _setup(_, body):
    with STATE.lock:
        return setup.apply(body)


def _session(_, body):
    with STATE.lock:
        return setup.session(body)


def _template_of(body):
    """The template that is given as text or by its file, without the parts to be taken out."""
    text = body["template"] if "template" in body else Path(body["file"]).read_text()
    document = template.parse(text)
    for part in body.get("remove", []):
        template.remove(document, part)
    return document


def _parts(_, body):
    return template.parts(_template_of(body))


def _apply(_, body):
    """Changes are made with the key `as`, or as CloudFormation with the service role `role`, or by the root."""
    unknown = set(body) - {"account", "region", "stack", "template", "file", "parameters", "remove", "as", "role", "read_back"}
    if unknown:
        raise ValueError(f"unknown: {sorted(unknown)}")
    account, region, name = body["account"], body["region"], body["stack"]
    root = next(
        {"access_key_id": key, "secret_access_key": root.secret}
        for key, root in STATE.roots.items()
        if root.account == account
    )
    key = body.get("as", root)
    if "role" in body:
        key = setup.session({"role": body["role"], "service": "cloudformation.amazonaws.com", "name": "stack"})
    stack = STATE.stacks[account, region].setdefault(name, Stack(name, account, region))
    outputs = stack.apply(
        _template_of(body),
        body.get("parameters", {}),
        clients.of(key, region),
        clients.of(root, region),
        body.get("read_back", True),
    )
    return {"outputs": outputs, "resources": {name: made.reference for name, made in stack.made.items()}}


def _network(query, _):
    with STATE.lock:
        return setup.network(query["account"], query["region"])


def _security_group(_, body):
    with STATE.lock:
        return {"security_group": security_groups.make(**body)}


def _backup(_, body):
    with STATE.lock:
        rds.backup(**body)
    return {}


def _passwords(query, _):
    with STATE.lock:
        return rds.passwords(**query)


def _metrics(query, _):
    """All data points, or those of an account."""
    return [one for one in STATE.metrics if one["account"] == query.get("account", one["account"])]


def _lifecycle(*_):
    with STATE.lock:
        return s3_lifecycle.run()


def _calls(query, _):
    """All, or those of some accounts, whose ids stand between commas."""
    since = int(query.get("since", 0))
    accounts = query["accounts"].split(",") if "accounts" in query else None
    return [asdict(entry) for entry in FAULTS.log[since:] if accounts is None or entry.account in accounts]


def _clear_calls(*_):
    FAULTS.clear_log()
    return {}


def _add_fault(_, body):
    return {"id": FAULTS.add(body)}


def _remove_faults(query, _):
    FAULTS.remove(int(query["id"]) if "id" in query else None)
    return {}


def _held(query, _):
    rule = int(query["fault"]) if "fault" in query else None
    return FAULTS.wait_for_held(float(query.get("wait", 0)), rule)


def _release(*_):
    FAULTS.release()
    return {}


def _clock(*_):
    return {
        "now": clock.iso(clock.now()),
        "offset_seconds": CLOCK.offset.total_seconds(),
        "skew_seconds": CLOCK.skew.total_seconds(),
    }


def _set_clock(query, body):
    unknown = set(body) - {"advance_seconds", "offset_seconds", "skew_seconds"}
    if unknown:
        raise ValueError(f"unknown: {sorted(unknown)}")
    if "offset_seconds" in body:
        CLOCK.offset = timedelta(seconds=body["offset_seconds"])
    CLOCK.advance(body.get("advance_seconds", 0))
    if "skew_seconds" in body:
        CLOCK.skew = timedelta(seconds=body["skew_seconds"])
    return _clock()


def _set_settings(_, body):
    STATE.settings.change(body)
    return STATE.settings.as_dict()


def _end_sessions(*_):
    with STATE.lock:
        STATE.end_sessions()
    return {}


ROUTES = {
    ("GET", "health"): lambda *_: {"status": "ready"},
    ("POST", "reset"): _reset,
    ("POST", "setup"): _setup,
    ("POST", "session"): _session,
    ("POST", "stacks"): _apply,
    ("POST", "stacks/parts"): _parts,
    ("GET", "network"): _network,
    ("POST", "security-group"): _security_group,
    ("POST", "backup"): _backup,
    ("GET", "passwords"): _passwords,
    ("GET", "metrics"): _metrics,
    ("POST", "lifecycle"): _lifecycle,
    ("GET", "calls"): _calls,
    ("DELETE", "calls"): _clear_calls,
    ("GET", "faults"): lambda *_: FAULTS.as_list(),
    ("POST", "faults"): _add_fault,
    ("DELETE", "faults"): _remove_faults,
    ("GET", "held"): _held,
    ("DELETE", "held"): _release,
    ("GET", "clock"): _clock,
    ("POST", "clock"): _set_clock,
    ("GET", "settings"): lambda *_: STATE.settings.as_dict(),
    ("POST", "settings"): _set_settings,
    ("POST", "sessions/end"): _end_sessions,
    ("GET", "unknown"): lambda *_: STATE.unknown,
}
