"""Signature version 4, in the header or in the query string of a presigned URL."""

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from urllib.parse import quote, unquote_plus

from .clock import CLOCK
from .errors import AwsError

ALGORITHM = "AWS4-HMAC-SHA256"
TOLERANCE = timedelta(minutes=15)
HEADER = re.compile(rf"{ALGORITHM} +Credential=([^,\s]+), *SignedHeaders=([^,\s]+), *Signature=([0-9a-f]+)")


@dataclass(frozen=True)
class Signed:
    access_key: str
    day: str
    region: str
    service: str
    headers: tuple  # the names that were signed
    signature: str
    date: str
    token: str
    expires: int = 0  # seconds, of a presigned URL

    @property
    def presigned(self):
        return self.expires > 0


def read(headers, query):
    """What the request says of its signature, or None of an anonymous one."""
    authorization = headers.get("authorization", "")
    if not authorization:
        return _presigned(query) if "X-Amz-Signature" in query else None
    match = HEADER.fullmatch(authorization)
    if not match:
        raise AwsError("AuthorizationHeaderMalformed", "The authorization header is malformed", 400)
    credential, names, signature = match.groups()
    date = headers.get("x-amz-date", "")
    return _signed(credential, names, signature, date, headers.get("x-amz-security-token", ""), 0)


def _presigned(query):
    return _signed(
        query.get("X-Amz-Credential", ""),
        query.get("X-Amz-SignedHeaders", ""),
        query["X-Amz-Signature"],
        query.get("X-Amz-Date", ""),
        query.get("X-Amz-Security-Token", ""),
        int(query.get("X-Amz-Expires", "1")),
    )


def _signed(credential, names, signature, date, token, expires):
    parts = credential.split("/")
    if len(parts) != 5 or parts[4] != "aws4_request":
        raise AwsError("AuthorizationHeaderMalformed", f"The credential {credential} is malformed", 400)
    return Signed(*parts[:4], tuple(names.split(";")), signature, date, token, expires)


def check(signed, secret, method, raw_path, raw_query, headers, payload_hash):
    """Raises unless the request was signed with this secret, and lately."""
    _check_date(signed)
    request = "\n".join(
        [
            method,
            raw_path or "/",
            _canonical_query(raw_query),
            *(f"{name}:{' '.join(headers.get(name, '').split())}" for name in signed.headers),
            "",
            ";".join(signed.headers),
            payload_hash,
        ]
    )
    scope = f"{signed.day}/{signed.region}/{signed.service}/aws4_request"
    text = "\n".join([ALGORITHM, signed.date, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = f"AWS4{secret}".encode()
    for part in (signed.day, signed.region, signed.service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    wanted = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(wanted, signed.signature):
        raise AwsError(
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method.",
        )


def _canonical_query(raw_query):
    pairs = []
    for piece in raw_query.split("&") if raw_query else []:
        name, _, value = piece.partition("=")
        if name != "X-Amz-Signature":
            pairs.append(tuple(quote(unquote_plus(text.replace("+", "%2B")), safe="-_.~") for text in (name, value)))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _check_date(signed):
    try:
        date = datetime.strptime(signed.date, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    except ValueError:
        raise AwsError("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header") from None
    real = datetime.now(timezone.utc) + CLOCK.skew
    # A test that moves the world's clock moves its own rarely; a skew is asked for by itself.
    judges = [real] if CLOCK.skew else [real, CLOCK.now()]
    if signed.presigned:
        if all(judge > date + timedelta(seconds=signed.expires) for judge in judges):
            raise AwsError("AccessDenied", "Request has expired")
    elif all(abs(judge - date) > TOLERANCE for judge in judges):
        # S3's words; the other services' code for it is in errors.CODES.
        judged = judges[0].strftime("%Y%m%dT%H%M%SZ")
        which = "expired" if judges[0] > date else "not yet current"
        raise AwsError(
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large."
            if signed.service == "s3"
            else f"Signature {which}: {signed.date} is too far from {judged}",
        )
