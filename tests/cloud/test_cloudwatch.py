"""CloudWatch: metrics that are put, by whom, and in which namespace."""

import pytest

from .conftest import BACKUP, REGION, SOURCE, allow
from .put_metric import PUT, code_of, send

IN_LIFEBOAT = allow("cloudwatch:PutMetricData", Condition={"StringEquals": {"cloudwatch:namespace": "lifeboat"}})


def put(cloud, key, arguments=PUT):
    """Status and code, which is empty where it was put."""
    status, text = send(cloud.url, REGION, key, arguments)
    return status, code_of(text)


def metrics(cloud, account):
    return cloud.control("GET", f"metrics?account={account}")


def test_what_is_put_is_told_with_who_put_it(cloud):
    status, text = send(cloud.url, REGION, cloud.roots[SOURCE])
    assert status == 200
    assert '<PutMetricDataResponse xmlns="http://monitoring.amazonaws.com/doc/2010-08-01/">' in text
    (point,) = metrics(cloud, SOURCE)
    assert point.pop("time")
    assert point == {
        "account": SOURCE, "region": REGION, "principal": f"arn:aws:iam::{SOURCE}:root", "namespace": "lifeboat",
        "name": "NightlySuccess", "value": 1.0, "unit": "Count",
    }  # fmt: skip
    assert metrics(cloud, BACKUP) == []
    cloud.control("POST", "reset")
    assert cloud.control("GET", "metrics") == []


def test_the_right_may_be_for_one_namespace(cloud):
    putter = cloud.user(SOURCE, "putter", IN_LIFEBOAT)
    assert put(cloud, putter) == (200, "")
    assert put(cloud, putter, PUT.replace("=lifeboat", "=production")) == (403, "AccessDenied")
    assert put(cloud, cloud.user(SOURCE, "other", allow("s3:*"))) == (403, "AccessDenied")
    assert [one["namespace"] for one in metrics(cloud, SOURCE)] == ["lifeboat"]


def test_credentials_that_are_wrong(cloud):
    root = cloud.roots[SOURCE]
    assert put(cloud, root | {"secret_access_key": "x"}) == (403, "SignatureDoesNotMatch")
    assert put(cloud, root | {"access_key_id": "AKIAAAAAAAAAAAAAAAAA"}) == (403, "InvalidClientTokenId")
    cloud.control("POST", "clock", {"skew_seconds": 3600})
    assert put(cloud, root) == (403, "SignatureDoesNotMatch")
    assert metrics(cloud, SOURCE) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("Namespace=lifeboat&", ""),
        ("=lifeboat", "=AWS/RDS"),
        ("&MetricData.member.1.Value=1", ""),
        ("MetricData.member.1.MetricName=NightlySuccess&", ""),
    ],
)
def test_what_cloudwatch_refuses(cloud, right, wrong):
    status, code = put(cloud, cloud.roots[SOURCE], PUT.replace(right, wrong))
    assert (status, code in ("InvalidParameterValue", "MissingParameter")) == (400, True)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("&Version=2010-08-01", ""),
        ("2010-08-01", "2009-05-15"),
        ("PutMetricData", "PutMetricAlarm"),
        ("PutMetricData", "PutMetric"),
        ("Unit=Count", "Unit=Pounds"),
        ("Value=1", "Value=1&MetricData.member.1.Dimensions.member.1.Name=x"),
        ("Value=1", "Value=1&MetricData.member.1.Timestamp=2026-11-21T02:00:00Z"),
    ],
)
def test_what_it_does_not_know_of_cloudwatch_fails_loudly(cloud, right, wrong):
    cloud.expect_unknown = True
    assert put(cloud, cloud.roots[SOURCE], PUT.replace(right, wrong)) == (500, "TestsAwsDoesNotKnow")


def test_a_fault_and_the_log(cloud):
    cloud.control("POST", "faults", {"kind": "error", "call": 1, "code": "InternalError"})
    assert put(cloud, cloud.roots[SOURCE]) == (500, "InternalFailure")
    assert put(cloud, cloud.roots[SOURCE]) == (200, "")
    calls = cloud.control("GET", "calls")
    assert [call["operation"] for call in calls] == ["cloudwatch:PutMetricData"] * 2
    assert [call["status"] for call in calls] == [500, 200]
