"""CloudWatch: metrics are put, by the query protocol, and kept for tests to ask for. Not moto's: its namespaces and
statistics are more than a test wants to know."""

import re
import uuid

from . import call as calls
from . import clock
from .conditions import Unknown
from .errors import AwsError
from .state import STATE

VERSION = "2010-08-01"
NAMESPACE = "http://monitoring.amazonaws.com/doc/2010-08-01/"
MOST = 1000
UNITS = {"None", "Count", "Seconds", "Bytes", "Percent"}


def handle(call):
    _check_arguments(call)
    metrics = call.params.get("MetricData", [])
    _check_request(call.params.get("Namespace", ""), metrics)
    for metric in metrics:
        STATE.metrics.append(
            {
                "account": call.principal.account,
                "region": call.region,
                "principal": call.principal.arn,
                "namespace": call.params["Namespace"],
                "name": metric["MetricName"],
                "value": metric["Value"],
                "unit": metric.get("Unit", "None"),
                "time": clock.iso(clock.now()),
            }
        )
    return _answer()


def _check_arguments(call):
    """A misspelt one, or one that is not looked at here, would be passed over."""
    values = calls.query_values(call)
    if values.get("Version") != VERSION:
        raise Unknown(f"version {values.get('Version')} of {call.action}")
    known = re.compile(r"Action|Version|Namespace|MetricData\.member\.[1-9][0-9]*\.(MetricName|Value|Unit)")
    unknown = sorted(name for name in values if not known.fullmatch(name))
    if unknown:
        raise Unknown(f"arguments {unknown} of {call.action}")


def _check_request(namespace, metrics):
    """As the API reference limits it."""
    if not re.fullmatch(r"[^:].{0,254}", namespace) or namespace.startswith("AWS/"):
        raise AwsError("InvalidParameterValue", f"The value {namespace} for parameter Namespace is invalid.", 400)
    if not 1 <= len(metrics) <= MOST:
        raise AwsError("MissingParameter", "The parameter MetricData is required.", 400)
    for number, metric in enumerate(metrics, 1):
        place = f"MetricData.member.{number}"
        if not 1 <= len(metric.get("MetricName", "")) <= 255:
            raise AwsError("MissingParameter", f"The parameter {place}.MetricName is required.", 400)
        if "Value" not in metric:
            raise AwsError("MissingParameter", f"The parameter {place}.Value is required.", 400)
        if metric.get("Unit", "None") not in UNITS:
            raise Unknown(f"{place}.Unit {metric['Unit']}")


def _answer():
    request = str(uuid.uuid4())
    body = (
        f'<PutMetricDataResponse xmlns="{NAMESPACE}"><ResponseMetadata><RequestId>{request}</RequestId>'
        "</ResponseMetadata></PutMetricDataResponse>"
    )
    return 200, {"Content-Type": "text/xml", "x-amzn-requestid": request}, body.encode()
