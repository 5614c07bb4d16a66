"""One server for all tests, empty again before each; clients are boto3's."""

import json
import urllib.request

import boto3
import pytest
from botocore.config import Config

from .server import Server

SOURCE, BACKUP = "111111111111", "222222222222"
REGION = "eu-west-1"


class Cloud:
    """The server as a test sees it."""

    def __init__(self, url):
        self.url = url

    def control(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/__control/{path}", data=data, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def client(self, service, key, region=REGION, **config):
        settings = {
            "retries": {"total_max_attempts": 1, "mode": "standard"},
            "s3": {"addressing_style": "path"},
            **config,
        }
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.url,
            aws_access_key_id=key["access_key_id"],
            aws_secret_access_key=key["secret_access_key"],
            aws_session_token=key.get("session_token"),
            config=Config(**settings),
        )

    def setup(self, *accounts):
        return self.control("POST", "setup", {"accounts": list(accounts)})["accounts"]

    def user(self, account, name, *statements):
        """The key of a new user with these statements as its policy."""
        policies = {"inline": document(*statements)} if statements else {}
        made = self.setup({"id": account, "users": [{"name": name, "policies": policies}]})
        return made[account]["users"][name]

    def assume(self, key, arn, name="test", region=REGION, **more):
        answer = self.client("sts", key, region).assume_role(RoleArn=arn, RoleSessionName=name, **more)["Credentials"]
        return {
            "access_key_id": answer["AccessKeyId"],
            "secret_access_key": answer["SecretAccessKey"],
            "session_token": answer["SessionToken"],
            "expires": answer["Expiration"],
        }


def document(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(action, resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action, resource="*", **more):
    return {**allow(action, resource, **more), "Effect": "Deny"}


@pytest.fixture(scope="session")
def server():
    running = Server().start()
    yield running
    running.stop()


@pytest.fixture
def cloud(server):
    """An AWS with two accounts; a test that asked for what it lacks fails, unless it says so."""
    found = Cloud(server.url)
    found.control("POST", "reset")
    found.roots = {account: entry["root"] for account, entry in found.setup({"id": SOURCE}, {"id": BACKUP}).items()}
    found.expect_unknown = False
    yield found
    unknown = found.control("GET", "unknown")
    assert bool(unknown) == found.expect_unknown, unknown


@pytest.fixture
def code():
    """Runs a call and returns the code of its error, or an empty text."""

    def run(call, *args, **kwargs):
        from botocore.exceptions import ClientError

        try:
            call(*args, **kwargs)
        except ClientError as error:
            return error.response["Error"]["Code"]
        return ""

    return run


@pytest.fixture
def world(cloud):
    from .rds_world import World

    return World(cloud)


@pytest.fixture(params=["Instances", "Clusters"])
def kind(request):
    """RDS's two kinds, which obey the same rules."""
    from . import rds_world

    return getattr(rds_world, request.param)
