"""Junk under every prefix that the exporter may write: it stops nobody, is read within bounds, and goes by itself."""

import json

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from .accounts import BUCKET, DAILY, PREFIX
from .thief import DAY, MANIFEST, RECORD, Thief, point_id, set_clock

# More than an export looks at for the point before.
OF_ALL = 110
FUTURE = "20991231T000000Z"
# Days of the lifecycle after the last lock: it hides, and a day later deletes.
LIFECYCLE = 5


def test_junk_stops_nobody_and_goes_by_itself(exported):
    accounts, lifeboat = exported.accounts, exported.lifeboat
    lifeboat.configure("[lock]\nweekly_days = 60\n")
    folder = accounts.objects["manifest"][0].removeprefix(f"{PREFIX}manifests/").rpartition("/")[0]
    fill(accounts, lifeboat.folder, folder)
    # Something under each of the prefixes, and the exporter may write no others.
    assert {prefix: bool(listed(accounts, prefix)) for prefix in written_by_the_exporter(accounts)} == {
        f"{PREFIX}{kind}/": True for kind in ("parts", "manifests", "snapshots", "runs/export")
    }

    before = calls(accounts)
    shown = lifeboat.run("prove", "show", "latest", "--config", "backup.toml")
    assert shown["manifest"]["id"] == exported.point
    # Each of them once at most.
    assert reads(accounts, before) < OF_ALL + 20
    exported.lifeboat.restore("latest")
    assert exported.databases.rows(exported.databases.restored) == exported.before
    lifeboat.run("prove", "verify", exported.point, "--config", "backup.toml")
    assert lifeboat.run("prove", "promote", "--config", "backup.toml", code=0)["points"] == []
    before = calls(accounts)
    status = lifeboat.run("prove", "status", "--config", "backup.toml", code=3)
    # A few are named, and there are two more places that have none.
    assert 0 < len(status["findings"]) < 40
    assert reads(accounts, before) < 100
    # The next night's export is made, and is the newest.
    tonight = lifeboat.export()
    shown = lifeboat.run("prove", "show", "latest", "--config", "backup.toml")
    assert shown["manifest"]["id"] == tonight

    goes_by_itself(accounts, exported.point)


def goes_by_itself(accounts, point):
    rules = accounts.client("root", "s3").get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    longest = 0
    for prefix in written_by_the_exporter(accounts):
        of = lambda one: one.get("Prefix") or one.get("Filter", {}).get("Prefix")  # noqa: E731 short
        # That of runs is prove's, too.
        (rule,) = [one for one in rules if of(one) != PREFIX and prefix.startswith(of(one))]
        assert rule["Status"] == "Enabled" and rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}
        longest = max(longest, rule["Expiration"]["Days"])
    passed(accounts, 0)
    assert all(listed(accounts, prefix) for prefix in written_by_the_exporter(accounts))
    passed(accounts, DAILY + 2 + LIFECYCLE)
    gone = {prefix: not listed(accounts, prefix) for prefix in written_by_the_exporter(accounts)}
    assert gone == {
        f"{PREFIX}{kind}/": kind != "snapshots" for kind in ("parts", "manifests", "snapshots", "runs/export")
    }
    # Records live as long as the copies that they belong to.
    passed(accounts, longest + LIFECYCLE)
    assert not any(listed(accounts, prefix) for prefix in written_by_the_exporter(accounts))


def passed(accounts, days):
    """So many days, and the lifecycle of them and of the day after."""
    for after in (days, days + 2):
        set_clock(accounts, after * DAY)
        accounts.cloud.control("POST", "lifecycle")
    set_clock(accounts, 0)


def written_by_the_exporter(accounts):
    """What its own policy allows."""
    iam = accounts.client("root", "iam")
    names = iam.list_role_policies(RoleName="lifeboat-exporter")["PolicyNames"]
    documents = [iam.get_role_policy(RoleName="lifeboat-exporter", PolicyName=one)["PolicyDocument"] for one in names]
    allowed = [one for document in documents for one in document["Statement"] if one["Effect"] == "Allow"]
    adds = [one for one in allowed if "s3:PutObject" in one["Action"]]
    assert adds
    return sorted(arn.partition(f":::{BUCKET}/")[2].removesuffix("*") for one in adds for arn in one["Resource"])


def fill(accounts, folder, database):
    """`database`: source and name of the true one."""
    put = lambda path, body=b"x": accounts.put("exporter", path, Body=body)  # noqa: E731 short
    stranger = Thief(accounts, folder)
    stranger.key = Ed25519PrivateKey.generate()
    for number in range(OF_ALL):
        point = point_id(FUTURE, number)
        body = {"format": 1, "id": point, "source": "prod"}
        put(f"manifests/{database}/{point}.json", stranger.sign(MANIFEST, body) if number % 2 else b"{}")
        if number > 30:
            continue
        put(f"parts/{database}/{point}/16400/1.copy.zst.age")
        put(f"snapshots/prod/{point}.json", stranger.sign(RECORD, body) if number % 2 else b"[]")
    point = point_id(FUTURE, OF_ALL)
    large = json.dumps({"format": 1, "body": "x" * (16 << 20)}).encode()
    put(f"manifests/{database}/{point}.json", large)
    put(f"snapshots/prod/{point}.json", large)
    for path in (
        f"manifests/prod/elsewhere/{point}.json", f"manifests/x/y/{point}.json",
        "manifests/x", f"manifests/{database}/..json", f"manifests/{database}/%2e%2e/{point}.json", "manifests/",
        f"manifests/a/b/c/d/{point}.json", "parts/", "parts/x", f"parts/{database}/x/y", "snapshots/", "snapshots/x.json",
        "runs/export/x/plan.json",
        f"snapshots/%/{point}.json",
    ):  # fmt: skip
        put(path)


def listed(accounts, prefix):
    pages = accounts.client("root", "s3").get_paginator("list_object_versions")
    return [one for page in pages.paginate(Bucket=BUCKET, Prefix=prefix) for one in page.get("Versions", [])]


def calls(accounts):
    return accounts.cloud.control("GET", "calls")[-1]["number"]


def reads(accounts, since):
    made = accounts.cloud.control("GET", f"calls?since={since}")
    return sum(one["operation"] == "GetObject" for one in made)
