"""The only place that imports moto: its server, its stores of things, and what must be taken out of it."""

import functools
import os

# moto spools object bodies beyond this size to unlinked temporary files, so memory stays small.
os.environ.setdefault("MOTO_S3_DEFAULT_KEY_BUFFER_SIZE", str(1 << 20))
os.environ.setdefault("MOTO_DISABLE_GLOBAL_CORS", "true")
# Ours is the quota that counts.
os.environ.setdefault("MOTO_RDS_SNAPSHOT_LIMIT", "1000000")

import moto.core.utils  # noqa: E402

from . import clock  # noqa: E402

# moto's modules take this by name when they are imported, so it comes first.
moto.core.utils.utcnow = lambda: clock.now().replace(tzinfo=None)

import moto.backends  # noqa: E402
import moto.kms.responses  # noqa: E402
from moto.backends import get_backend  # noqa: E402
from moto.core import responses  # noqa: E402
from moto.core.base_backend import BackendDict  # noqa: E402
from moto.core.exceptions import ServiceException  # noqa: E402,F401
from moto.core.model_instances import reset_model_data  # noqa: E402
from moto.core.parse import PROTOCOL_PARSERS  # noqa: E402
from moto.core.request import Request  # noqa: E402
from moto.core.responses import ActionResult  # noqa: E402,F401
from moto.core.routing import get_service_router  # noqa: E402
from moto.core.utils import get_service_model  # noqa: E402
from moto.iam import policy_validation  # noqa: E402
from moto.iam.access_control import PermissionResult  # noqa: E402
from moto.iam.models import AWSManagedPolicy  # noqa: E402,F401
from moto.kms import models as kms_models  # noqa: E402
from moto.moto_api._internal import mock_random  # noqa: E402
from moto.moto_server.werkzeug_app import (  # noqa: E402
    DomainDispatcherApplication,
    MotoRequestHandler,  # noqa: F401
    create_backend_app,
)
from moto.rds import models as rds_models  # noqa: E402,F401
from moto.rds import urls as rds_urls  # noqa: E402,F401
from moto.rds.responses import RDSResponse  # noqa: E402,F401
from moto.s3 import models as s3_models  # noqa: E402

PARTITION = "aws"

# moto's own checks of policies ignore principals and conditions, and refuse numbers as values of conditions;
# ours come before every call.
s3_models.FakeBucket.get_permission = lambda *_: PermissionResult.PERMITTED
moto.kms.responses.validate_policy = lambda *_: None
policy_validation.BaseIAMPolicyValidator.validate = lambda _: None

# moto makes an RSA key for each symmetric one too, which takes longest of all.
_generate_private_key = kms_models.generate_private_key
kms_models.generate_private_key = lambda spec: _generate_private_key(spec) if spec.startswith(("ECC", "RSA")) else None

# moto looks through its own folder and through its classes at each call, a third of the time that a call takes.
_modules = frozenset(moto.backends.list_of_moto_modules())
moto.backends.list_of_moto_modules = lambda: _modules
responses.method_names_from_class = functools.cache(responses.method_names_from_class)

APPLICATION = DomainDispatcherApplication(create_backend_app)


def answer(call, account=None):
    """The call as moto answers it for an account, the caller's own by default: status, headers, body."""
    found = {}

    def start(status, headers, _=None):
        found["status"], found["headers"] = int(status.split()[0]), dict(headers)

    pieces = APPLICATION(call.moto_environ(account or call.principal.account), start)
    try:
        body = b"".join(pieces)
    finally:
        getattr(pieces, "close", lambda: None)()
    return found["status"], found["headers"], body


def iam(account):
    return get_backend("iam")[account][PARTITION]


def kms(account, region):
    return get_backend("kms")[account][region]


def rds(account, region):
    return get_backend("rds")[account][region]


def ec2(account, region):
    return get_backend("ec2")[account][region]


def regions(service, account):
    """The account's stores of a service that were touched so far."""
    return dict(get_backend(service)[account])


def accounts(service):
    return list(get_backend(service))


def bucket(name):
    """moto's bucket, whoever owns it, or None."""
    owner = s3_models.s3_backends.bucket_accounts.get(name)
    return s3_models.s3_backends[owner[1]][PARTITION].buckets.get(name) if owner else None


def s3(account):
    return s3_models.s3_backends[account][PARTITION]


def random_upper(length):
    import string

    return "".join(mock_random.choice(string.ascii_uppercase + string.digits) for _ in range(length))


def forget_everything():
    BackendDict.reset()
    reset_model_data()  # moto keeps a list of all that it ever made


def operation_of(environ, service):
    """The operation's name and the labels of its path, or None where the service has no such request."""
    from werkzeug.exceptions import HTTPException

    try:
        operation, labels = get_service_router(service).match(Request(environ))
    except HTTPException:
        return None, {}
    return operation.name, labels


def parameters(service, operation, query_values):
    """The parameters of a query-protocol call in the SDK's shape; EC2 writes lists in a way of its own."""
    service_model = get_service_model(service)
    model = service_model.operation_model(operation)
    # Whatever else the service speaks, too.
    protocol = "ec2" if service_model.protocol == "ec2" else "query"
    request = {"method": "POST", "values": query_values, "headers": {}, "body": b"", "url_path": "/", "url_params": {}}
    return PROTOCOL_PARSERS[protocol](model).parse(request)
