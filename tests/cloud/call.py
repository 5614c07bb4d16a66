"""One HTTP request, read as a call of one of AWS's services."""

import hashlib
import json
from dataclasses import dataclass, field
from io import BytesIO
from urllib.parse import unquote, unquote_plus

from werkzeug.datastructures import MultiDict

from . import moto_parts, signature
from .authorise import NOBODY, Principal
from .conditions import Unknown
from .errors import AwsError
from .policy import SERVED

DEFAULT_REGION = "us-east-1"
LARGEST_BODY = 256 << 20
# Of services that signatures name otherwise than policies do.
NAMES = {"monitoring": "cloudwatch"}
# Query arguments that any S3 request may carry.
S3_COMMON = {"x-id", "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature", "X-Amz-Security-Token", "X-Amz-Content-Sha256", "X-Amz-Checksum-Mode"}  # fmt: skip


@dataclass
class Call:
    environ: dict
    method: str
    raw_path: str
    raw_query: str
    query: dict
    headers: dict  # names in lower case
    body: bytes  # without the chunks' frames
    service: str = "s3"
    region: str = DEFAULT_REGION
    operation: str = ""
    params: dict = field(default_factory=dict)  # of query and JSON calls
    bucket: str = ""
    key: str = ""
    signed: signature.Signed | None = None
    principal: Principal = NOBODY
    payload_hash: str = ""
    # Instead of the request's own, when it is handed to moto.
    changed_headers: dict = field(default_factory=dict)
    # What was asked of the policies, for the log.
    asked: list = field(default_factory=list)

    @property
    def action(self):
        return f"{self.service}:{self.operation or '?'}"

    @property
    def version(self):
        return self.query.get("versionId")

    def header(self, name):
        return self.headers.get(name, "")

    def flag(self, name):
        return self.header(name).lower() == "true"

    def set_header(self, name, value):
        """For moto: a header's new value, or None to take it out."""
        self.changed_headers[name] = value

    def moto_environ(self, account):
        """The request as moto gets it: the account's own, in one piece."""
        environ = dict(self.environ)
        changes = {**self.changed_headers, "x-moto-account-id": account}
        for name, value in changes.items():
            key = name.upper().replace("-", "_")
            key = key if key == "CONTENT_TYPE" else f"HTTP_{key}"
            environ.pop(key, None)
            if value is not None:
                environ[key] = value
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        environ |= {
            "wsgi.input": BytesIO(self.body),
            "CONTENT_LENGTH": str(len(self.body)),
            "wsgi.input_terminated": True,
        }
        return environ


# ---------------------------------------------------------------- reading


def read(environ):
    """The call without its operation; raises AwsError where the request is no AWS request."""
    raw_path, _, raw_query = environ.get("RAW_URI", environ["PATH_INFO"]).partition("?")
    call = Call(
        environ=environ,
        method=environ["REQUEST_METHOD"],
        raw_path=raw_path,
        raw_query=raw_query,
        query=_query(raw_query),
        headers=headers_of(environ),
        body=_body(environ),
    )
    call.signed = signature.read(call.headers, call.query)
    if call.signed:
        call.service = NAMES.get(call.signed.service, call.signed.service)
        call.region = call.signed.region
    call.payload_hash = _payload_hash(call)
    _unchunk(call)
    return call


def _query(raw):
    pieces = (piece.partition("=") for piece in raw.split("&") if piece)
    return {unquote_plus(name): unquote_plus(value.replace("+", "%2B")) for name, _, value in pieces}


def headers_of(environ):
    found = {key[5:].replace("_", "-").lower(): value for key, value in environ.items() if key.startswith("HTTP_")}
    for key in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(key):
            found[key.replace("_", "-").lower()] = environ[key]
    return found


def _body(environ):
    length = environ.get("CONTENT_LENGTH")
    if length and int(length) > LARGEST_BODY:
        raise AwsError("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", 400)
    if length:
        body = environ["wsgi.input"].read(int(length))
        if len(body) < int(length):
            raise ConnectionResetError("the body ended early")
        return body
    return environ["wsgi.input"].read(LARGEST_BODY) if environ.get("wsgi.input_terminated") else b""


def _payload_hash(call):
    """What the signature covers of the body; S3 lets the client say it, and checks it."""
    if call.signed and call.signed.presigned:
        return "UNSIGNED-PAYLOAD"
    actual = hashlib.sha256(call.body).hexdigest()
    said = call.header("x-amz-content-sha256")
    if call.service != "s3" or not said:
        return actual
    if len(said) == 64 and said != actual:
        raise AwsError(
            "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed."
        )
    return said


def _unchunk(call):
    """Takes the frames of an aws-chunked body off; its trailing checksums become headers."""
    if not call.header("x-amz-content-sha256").startswith("STREAMING-"):
        return
    source, pieces = BytesIO(call.body), []
    while size := int(source.readline().split(b";")[0].strip() or b"0", 16):
        pieces.append(source.read(size))
        source.readline()
    call.body = b"".join(pieces)
    for line in source:
        name, separator, value = line.decode().strip().partition(":")
        if separator and name.startswith("x-amz-checksum-"):
            call.headers[name] = value.strip()
            call.set_header(name, value.strip())
    length = call.header("x-amz-decoded-content-length")
    if length and int(length) != len(call.body):
        raise AwsError(
            "IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header."
        )
    call.set_header("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
    for name in ("x-amz-decoded-content-length", "x-amz-trailer"):
        call.set_header(name, None)
    encodings = [part.strip() for part in call.header("content-encoding").split(",")]
    call.set_header("content-encoding", ",".join(part for part in encodings if part and part != "aws-chunked") or None)


# ---------------------------------------------------------------- the operation


def name_operation(call):
    """Fills in what is called, with its parameters; raises Unknown where nothing here knows it."""
    if call.service not in SERVED:
        raise Unknown(f"service {call.service}")
    {"s3": _name_s3, "kms": _name_json, "organizations": _name_json}.get(call.service, _name_query)(call)


def _name_s3(call):
    name, labels = moto_parts.operation_of(call.environ, "s3")
    if not name:
        raise Unknown(f"S3 request {call.method} {call.raw_path}?{call.raw_query}")
    call.operation, call.bucket = name, labels.get("Bucket", "")
    # The path as sent: what moto stores under.
    call.key = unquote(call.raw_path.lstrip("/").partition("/")[2])
    known = _s3_arguments(name) | S3_COMMON
    if not set(call.query) <= known:
        raise Unknown(f"arguments {sorted(set(call.query) - known)} of {name}")


def _s3_arguments(operation):
    model = moto_parts.get_service_model("s3").operation_model(operation)
    members = model.input_shape.members.values() if model.input_shape else ()
    found = {
        member.serialization["name"] for member in members if member.serialization.get("location") == "querystring"
    }
    return found | set(model.http_trait.query_args)


def query_values(call):
    """The arguments of a query call, of its URL and its body."""
    values = MultiDict()
    for raw in (call.raw_query, call.body.decode()):
        for name, value in (piece.partition("=")[::2] for piece in raw.split("&") if piece):
            values.add(unquote_plus(name), unquote_plus(value))
    return values


def _name_query(call):
    values = query_values(call)
    call.operation = values.get("Action", "")
    if call.operation not in moto_parts.get_service_model(call.service).operation_names:
        raise Unknown(f"operation {call.action}")
    call.params = moto_parts.parameters(call.service, call.operation, values)


def _name_json(call):
    call.operation = call.header("x-amz-target").rpartition(".")[2]
    if call.operation not in moto_parts.get_service_model(call.service).operation_names:
        raise Unknown(f"operation {call.action}")
    try:
        call.params = json.loads(call.body or b"{}")
    except ValueError:
        raise AwsError("SerializationException", "The request is not JSON", 400) from None
