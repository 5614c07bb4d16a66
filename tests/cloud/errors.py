"""Errors as AWS's services word and wrap them."""

import json
import uuid
from xml.sax.saxutils import escape

# Tests look for this in answers and in GET /__control/unknown: the tests' AWS was asked for what it lacks.
UNKNOWN_CODE = "TestsAwsDoesNotKnow"

# How services answer that are no plain query services.
FAMILIES = {"s3": "s3", "kms": "json", "organizations": "json", "ec2": "ec2"}

# EC2 has no other word for a key, a token or a signature that is wrong.
AUTH_FAILURE = ("AuthFailure", 401)

# What one refusal is called by S3, by the query services, by the JSON ones, and by EC2. EC2's codes are in its "Error
# codes for the Amazon EC2 API", their statuses as callers saw them: UnauthorizedOperation in
# hashicorp/terraform-provider-aws#4664, AuthFailure in hashicorp/terraform#6566 and, of a wrong clock, in
# FoxxMD/laravel-elasticbeanstalk-cron#15, RequestExpired of a session in guardian/ssm-scala#60, RequestLimitExceeded
# in cloudfoundry/bosh-aws-cpi-release#61.
CODES = {
    "AccessDenied": {"json": ("AccessDeniedException", 400), "ec2": ("UnauthorizedOperation", 403)},
    "InvalidClientTokenId": {
        "s3": ("InvalidAccessKeyId", 403),
        "json": ("UnrecognizedClientException", 400),
        "ec2": AUTH_FAILURE,
    },
    "SignatureDoesNotMatch": {"json": ("InvalidSignatureException", 400), "ec2": AUTH_FAILURE},
    "ExpiredToken": {
        "s3": ("ExpiredToken", 400),
        "json": ("ExpiredTokenException", 400),
        "ec2": ("RequestExpired", 400),
    },
    "InvalidToken": {
        "s3": ("InvalidToken", 400),
        "query": ("InvalidClientTokenId", 403),
        "json": ("UnrecognizedClientException", 400),
        "ec2": AUTH_FAILURE,
    },
    "RequestTimeTooSkewed": {
        "query": ("SignatureDoesNotMatch", 403),
        "json": ("InvalidSignatureException", 400),
        "ec2": AUTH_FAILURE,
    },
    "Throttling": {
        "s3": ("SlowDown", 503),
        "query": ("Throttling", 400),
        "json": ("ThrottlingException", 400),
        "ec2": ("RequestLimitExceeded", 503),
    },
    "InternalError": {
        "s3": ("InternalError", 500),
        "query": ("InternalFailure", 500),
        "json": ("KMSInternalException", 500),
        "ec2": ("InternalError", 500),
    },
}
STATUS = {
    "ConditionalRequestConflict": 409,
    "DependencyTimeoutException": 500,
    "InternalFailure": 500,
    "KMSInternalException": 500,
    "NoSuchBucket": 404,
    "NoSuchKey": 404,
    "NoSuchVersion": 404,
    "OperationAborted": 409,
    "PreconditionFailed": 412,
    "ServiceUnavailable": 503,
    "SlowDown": 503,
    "DBClusterNotFoundFault": 404,
    "DBClusterSnapshotNotFoundFault": 404,
    "DBInstanceNotFound": 404,
    "DBSnapshotNotFound": 404,
    "AccessDenied": 403,
    "InvalidClientTokenId": 403,
    "SignatureDoesNotMatch": 403,
    "ExpiredToken": 403,
    "RequestTimeTooSkewed": 403,
}


class AwsError(Exception):
    """An answer that is an error; `code` as S3 or the query services call it, see CODES."""

    def __init__(self, code, message, status=None):
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


def family(service):
    return FAMILIES.get(service, "query")


def in_words_of(service, error):
    """The code and status under which this service gives the error."""
    renamed = CODES.get(error.code, {}).get(family(service))
    if renamed:
        return renamed[0], error.status or renamed[1]
    return error.code, error.status or STATUS.get(error.code, 400)


def answer(service, error, request_id=None):
    """Status, headers and body."""
    code, status = in_words_of(service, error)
    request_id = request_id or str(uuid.uuid4())
    headers = {"x-amzn-requestid": request_id, "x-amz-request-id": request_id}
    kind = family(service)
    if kind == "json":
        headers |= {"Content-Type": "application/x-amz-json-1.1", "x-amzn-errortype": code}
        return status, headers, json.dumps({"__type": code, "message": error.message}).encode()
    headers["Content-Type"] = "application/xml" if kind == "s3" else "text/xml"
    inner = f"<Code>{escape(code)}</Code><Message>{escape(error.message)}</Message>"
    if kind == "s3":
        body = f"<Error>{inner}<RequestId>{request_id}</RequestId></Error>"
    elif kind == "ec2":
        body = f"<Response><Errors><Error>{inner}</Error></Errors><RequestID>{request_id}</RequestID></Response>"
    else:
        side = "Sender" if status < 500 else "Receiver"
        body = f"<ErrorResponse><Error><Type>{side}</Type>{inner}</Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    return status, headers, f'<?xml version="1.0" encoding="UTF-8"?>\n{body}'.encode()
