"""Faults, the log, and what else steers the AWS."""

import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from datetime import datetime, timezone
from pathlib import Path

import pytest
from botocore.exceptions import (
    ConnectionClosedError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from .conftest import BACKUP, REGION, SOURCE

BUCKET = "backups"
BROKEN = (ConnectionClosedError, EndpointConnectionError, ConnectionResetError)


@pytest.fixture
def s3(cloud):
    client = cloud.client("s3", cloud.roots[BACKUP], read_timeout=20)
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    cloud.control("DELETE", "calls")
    return client


def fault(cloud, **values):
    return cloud.control("POST", "faults", values)["id"]


def keys(s3):
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def ended(cloud):
    """The status of the first call, as soon as it has one."""
    deadline = time.monotonic() + 30
    while not (log := cloud.control("GET", "calls")) or log[0]["status"] is None:
        assert time.monotonic() < deadline, "the call did not end"
    return log[0]["status"]


def test_an_error_strikes_once(cloud, s3, code):
    fault(cloud, kind="error", operation="s3:PutObject", code="SlowDown", status=503)
    assert code(s3.put_object, Bucket=BUCKET, Key="a") == "SlowDown"
    assert keys(s3) == []
    assert code(s3.put_object, Bucket=BUCKET, Key="a") == ""


def test_an_error_strikes_for_ever(cloud, s3, code):
    number = fault(cloud, kind="error", operation="s3:*", code="InternalError", times=None)
    for _ in range(3):
        assert code(s3.put_object, Bucket=BUCKET, Key="a") == "InternalError"
    cloud.control("DELETE", f"faults?id={number}")
    assert code(s3.put_object, Bucket=BUCKET, Key="a") == ""


def test_an_error_after_the_effect(cloud, s3, code):
    fault(cloud, kind="error", when="after", operation="s3:PutObject", code="InternalError")
    assert code(s3.put_object, Bucket=BUCKET, Key="a") == "InternalError"
    assert keys(s3) == ["a"]


@pytest.mark.parametrize(("when", "left"), [("before", []), ("after", ["a"])])
def test_a_connection_breaks(cloud, s3, when, left):
    fault(cloud, kind="reset", when=when, operation="s3:PutObject")
    with pytest.raises(BROKEN):
        s3.put_object(Bucket=BUCKET, Key="a", Body=b"x" * 100_000)
    assert keys(s3) == left


def test_the_n_th_call_of_a_kind(cloud, s3, code):
    fault(cloud, kind="error", operation="s3:PutObject", skip=2, code="Throttling")
    assert [code(s3.put_object, Bucket=BUCKET, Key="a") for _ in range(4)] == ["", "", "SlowDown", ""]


def test_a_call_by_its_number(cloud, s3, code):
    fault(cloud, kind="error", call=2, code="InternalError")
    assert [code(s3.list_objects_v2, Bucket=BUCKET) for _ in range(3)] == ["", "InternalError", ""]


def test_calls_by_resource_and_account(cloud, s3, code):
    fault(cloud, kind="error", resource=f"{BUCKET}/parts/*", account=BACKUP, code="InternalError", times=None)
    assert code(s3.put_object, Bucket=BUCKET, Key="manifests/1") == ""
    assert code(s3.put_object, Bucket=BUCKET, Key="parts/1") == "InternalError"


@pytest.mark.parametrize(
    ("service", "call", "expected"),
    [
        ("s3", "list_buckets", "SlowDown"),
        ("rds", "describe_db_instances", "Throttling"),
        ("kms", "list_keys", "ThrottlingException"),
        ("ec2", "describe_security_groups", "RequestLimitExceeded"),
    ],
)
def test_throttling_in_the_words_of_each_service(cloud, code, service, call, expected):
    fault(cloud, kind="error", code="Throttling")
    assert code(getattr(cloud.client(service, cloud.roots[BACKUP]), call)) == expected


def test_an_expired_token(cloud, s3, code):
    fault(cloud, kind="error", code="ExpiredToken")
    assert code(s3.list_buckets) == "ExpiredToken"


def test_a_body_that_ends_early_or_is_wrong(cloud, s3):
    s3.put_object(Bucket=BUCKET, Key="a", Body=b"0123456789")
    fault(cloud, kind="truncate", operation="s3:GetObject", bytes=4)
    with pytest.raises(Exception, match="4 bytes|IncompleteRead|Connection"):
        s3.get_object(Bucket=BUCKET, Key="a")["Body"].read()
    fault(cloud, kind="corrupt", operation="s3:GetObject")
    # boto3 checks the whole body's checksum, so a part of it is asked for.
    assert s3.get_object(Bucket=BUCKET, Key="a", Range="bytes=0-3")["Body"].read() == b"1123"


def test_a_call_that_hangs_runs_into_its_timeout(cloud, s3):
    fault(cloud, kind="hang", operation="s3:PutObject")
    impatient = cloud.client("s3", cloud.roots[BACKUP], read_timeout=0.2)
    with pytest.raises(ReadTimeoutError):
        impatient.put_object(Bucket=BUCKET, Key="a")
    assert keys(s3) == []


def test_a_call_that_hangs_is_seen_and_released(cloud, s3):
    fault(cloud, kind="hang", when="after", operation="s3:PutObject")
    caller = threading.Thread(target=s3.put_object, kwargs={"Bucket": BUCKET, "Key": "a"})
    caller.start()
    assert cloud.control("GET", "held?wait=10") == [1]
    other = cloud.client("s3", cloud.roots[BACKUP])
    assert keys(other) == ["a"]
    cloud.control("DELETE", "held")
    caller.join(10)
    assert not caller.is_alive()
    assert cloud.control("GET", "held") == []


def test_a_call_whose_client_went_away_has_no_effect_later(cloud, s3):
    fault(cloud, kind="hang", operation="s3:PutObject")
    impatient = cloud.client("s3", cloud.roots[BACKUP], read_timeout=0.2)
    with pytest.raises(ReadTimeoutError):
        impatient.put_object(Bucket=BUCKET, Key="a")
    cloud.control("DELETE", "held")
    assert ended(cloud) == 0
    assert keys(s3) == []


def test_an_upload_that_breaks_off_leaves_nothing(cloud, s3):
    host, _, port = cloud.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(f"PUT /{BUCKET}/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\npart".encode())
    assert ended(cloud) == 0
    assert keys(s3) == []


def test_a_fault_that_nobody_knows_is_refused(cloud):
    for wrong in ({"kind": "flood"}, {"kind": "error", "wenn": "before"}, {"kind": "error", "when": "never"}):
        with pytest.raises(urllib.error.HTTPError):
            cloud.control("POST", "faults", wrong)


def test_the_log_tells_who_did_what_and_how_it_ended(cloud, s3, code):
    ann = cloud.client("s3", cloud.user(SOURCE, "ann"))
    code(ann.get_object, Bucket=BUCKET, Key="a")
    s3.put_object(Bucket=BUCKET, Key="a")
    denied, done = cloud.control("GET", "calls")
    assert (denied["number"], denied["operation"], denied["account"], denied["status"], denied["code"]) == (
        1,
        "s3:GetObject",
        SOURCE,
        403,
        "AccessDenied",
    )
    assert denied["principal"] == f"arn:aws:iam::{SOURCE}:user/ann"
    assert denied["asked"][0] | {"reason": ""} == {
        "action": "s3:GetObject",
        "resource": f"arn:aws:s3:::{BUCKET}/a",
        "allowed": False,
        "reason": "",
    }
    assert (done["number"], done["status"], done["resources"]) == (2, 200, [f"{BUCKET}/a"])


def test_the_date_is_the_world_s(cloud, s3):
    cloud.control("POST", "clock", {"advance_seconds": 40 * 86400})
    date = s3.list_buckets()["ResponseMetadata"]["HTTPHeaders"]["date"]
    seen = datetime.strptime(date, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=timezone.utc)
    assert 39 < (seen - datetime.now(timezone.utc)).total_seconds() / 86400 < 41
    s3.put_object(Bucket=BUCKET, Key="a")
    assert s3.head_object(Bucket=BUCKET, Key="a")["LastModified"].date() == seen.date()


def test_a_setting_that_nobody_knows_is_refused(cloud):
    with pytest.raises(urllib.error.HTTPError):
        cloud.control("POST", "settings", {"pols": 1})


def test_the_health_is_told_before_any_account(cloud):
    assert cloud.control("GET", "health") == {"status": "ready"}


def test_garbage_gets_an_answer(cloud):
    cloud.expect_unknown = True
    host, _, port = cloud.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"PATCH /x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 500"


def test_it_serves_as_a_program_and_ends_with_its_parent():
    script = Path(__file__).parent / "serve.sh"
    shell = subprocess.Popen(
        ["bash", "-c", f"{script} --with-parent & echo $!; wait"], stdout=subprocess.PIPE, text=True
    )
    server, port = int(shell.stdout.readline()), int(shell.stdout.readline())
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/__control/health", timeout=10) as answer:
        assert answer.status == 200
    shell.kill()
    shell.wait()
    # The pipe ends when the last who holds it has ended.
    assert shell.stdout.read() == ""
    assert not Path(f"/proc/{server}").exists() or "cloud" not in Path(f"/proc/{server}/cmdline").read_text()


def test_the_end_of_a_fault_frees_its_own_calls_only(cloud, s3):
    first = fault(cloud, kind="hang", operation="s3:PutObject", resource=f"{BUCKET}/a")
    second = fault(cloud, kind="hang", operation="s3:PutObject", resource=f"{BUCKET}/b")
    threads = [threading.Thread(target=s3.put_object, kwargs={"Bucket": BUCKET, "Key": key}) for key in "ab"]
    for thread in threads:
        thread.start()
    held = [cloud.control("GET", f"held?wait=10&fault={rule}") for rule in (first, second)]
    assert [len(numbers) for numbers in held] == [1, 1] and held[0] != held[1]
    cloud.control("DELETE", f"faults?id={first}")
    threads[0].join(10)
    assert keys(s3) == ["a"]
    assert cloud.control("GET", "held") == held[1]
    cloud.control("DELETE", f"faults?id={second}")
    threads[1].join(10)
    assert keys(s3) == ["a", "b"]
