"""Against the alarms on silence: metrics of somebody else's making."""

from ..put_metric import PUT, code_of, send
from .accounts import REGION
from .attack import attack, refused


def _put(a, who, arguments):
    status, text = send(a.cloud.url, REGION, a.key(who), arguments)
    if status != 200:
        raise refused(code_of(text))


# Masters and administrators may, in an account of their own.
@attack("cloudwatch", "put a metric that is not lifeboat's", by=("exporter", "snapshot", "nightly", "prove", "expire", "restore"))
def _(a, who):
    _put(a, who, PUT.replace("Namespace=lifeboat", "Namespace=production"))


@attack("cloudwatch", "say that prove went well", by=("exporter", "snapshot", "expire", "restore"))
def _(a, who):
    _put(a, who, PUT.replace("NightlySuccess", "ProveSuccess"))
