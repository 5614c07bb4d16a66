"""Exports that name stored parts again, under the rights that the templates give to the exporter: every hour too."""

import pytest
from botocore.exceptions import ClientError

from .accounts import BUCKET, DAILY, PREFIX, Accounts
from .attacks import ATTACKS
from .conftest import name_the_objects
from .program import Databases, Program
from .test_thief_junk import listed
from .thief import DAY, set_clock

# As docs/hourly.md says.
FULL_EVERY, HOURLY = 7, 5
PARTS_CAP = DAILY + FULL_EVERY + 3
HOURS = {"FullEveryDays": str(FULL_EVERY), "HourlyLockDays": str(HOURLY)}


class Scene:
    def __init__(self, aws, folder, **parameters):
        self.accounts, self.databases = Accounts(aws, **parameters), Databases()
        self.lifeboat = Program(self.accounts, self.databases, folder)
        self.lifeboat.init()
        config = folder / "lifeboat.toml"
        text = config.read_text().replace("\n#reuse_key", "\nreuse_key")
        assert "\nreuse_key" in text
        if "HourlyLockDays" in parameters:
            text = text.replace("[lock]\n", f"[lock]\nhourly_days = {HOURLY}\n")
        config.write_text(text)

    def export(self, code=0):
        source = ("--source", self.databases.url(self.databases.name))
        made = self.lifeboat.run("exporter", "export", "--config", "lifeboat.toml", *source, code=code)
        return made["failures"][0] if code else made["databases"][0]

    def locks(self, point):
        """For how many days which of a point's own objects are locked."""
        s3, found = self.accounts.client("root", "s3"), {}
        for one in listed(self.accounts, PREFIX):
            if point not in one["Key"] or "/attestations/" in one["Key"]:
                continue
            asked = {"Bucket": BUCKET, "Key": one["Key"], "VersionId": one["VersionId"]}
            until = s3.get_object_retention(**asked)["Retention"]["RetainUntilDate"]
            days = round((until - one["LastModified"]).total_seconds() / DAY)
            found.setdefault(kind_of(one["Key"]), set()).add(days)
        return found


def kind_of(key):
    if key.startswith(f"{PREFIX}manifests/"):
        return "state" if key.endswith(".state.zst") else "manifest"
    return "rows" if key.endswith((".copy.zst.age", "/parts.jsonl.zst")) else "own"


@pytest.fixture
def scene(aws, tmp_path):
    made = []

    def make(**parameters):
        made.append(Scene(aws, tmp_path, **parameters))
        return made[0]

    yield make
    for one in made:
        one.databases.drop()


def test_without_the_parameter_an_export_with_a_reuse_key_is_refused(scene):
    it = scene()
    failed = it.export(code=1)
    assert ".copy.zst.age: PutObject: AccessDenied" in failed["error"], failed
    # What a policy does not say.
    assert "parts are locked until" in failed["hint"], failed
    assert not any(kind_of(one["Key"]) == "manifest" for one in listed(it.accounts, f"{PREFIX}manifests/"))


def test_an_hour_names_what_the_day_stored_under_locks_of_its_own(scene):
    it = scene(**HOURS)
    day, database = it.export(), it.databases.name
    assert it.locks(day["id"]) == {"manifest": {DAILY}, "state": {DAILY + 2}, "own": {DAILY + 2}, "rows": {PARTS_CAP}}
    it.databases.sql(database, "INSERT INTO course VALUES (3, 'Locks')")
    hour = it.export()
    assert hour["parts_named"] > 0, hour
    assert it.locks(hour["id"]) == {"manifest": {HOURLY}, "state": {HOURLY + 2}, "own": {HOURLY + 2}, "rows": {HOURLY + 4}}
    rows = it.databases.rows(database)
    it.lifeboat.run("exporter", "verify", hour["id"], "--config", "lifeboat.toml")
    it.lifeboat.configure("")
    status = it.lifeboat.run("prove", "status", "--config", "backup.toml", code=3)
    assert [one for one in status["findings"] if "lock" in one] == []
    it.lifeboat.run("prove", "verify", "--data", hour["id"], "--config", "backup.toml")
    it.lifeboat.restore(hour["id"])
    assert it.databases.rows(it.databases.restored) == rows


def test_each_point_goes_after_its_own_locks_and_opens_until_then(scene):
    it = scene(**HOURS)
    day, rows = it.export(), it.databases.rows(it.databases.name)
    it.databases.sql(it.databases.name, "INSERT INTO course VALUES (3, 'Locks')")
    hour = it.export()
    there = lambda point: [one for one in listed(it.accounts, PREFIX) if point["id"] in one["Key"]]  # noqa: E731 short
    of_the_hour, of_the_day = len(there(hour)), len(there(day))

    live_to(it, HOURLY - 1)
    assert (len(there(hour)), len(there(day))) == (of_the_hour, of_the_day)
    # The manifest goes before anything that it names, and leaves nothing behind.
    live_to(it, HOURLY + 3)
    assert {kind_of(one["Key"]) for one in there(hour)} <= {"own", "rows", "state"}
    live_to(it, HOURLY + 8)
    assert there(hour) == []
    # That of the day is hidden by now, and whole.
    assert len(there(day)) == of_the_day
    s3 = it.accounts.client("root", "s3")
    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{PREFIX}parts/")
    set_clock(it.accounts, 0)
    it.lifeboat.restore(day["id"])
    assert it.databases.rows(it.databases.restored) == rows

    live_to(it, DAILY + 1)
    assert {kind_of(one["Key"]) for one in there(day)} == {"own", "rows", "state"}
    live_to(it, PARTS_CAP + 2)
    assert there(day) == []


def test_an_hour_that_is_held_stays_with_all_that_it_names(scene):
    it = scene(**HOURS)
    it.export()
    it.databases.sql(it.databases.name, "INSERT INTO course VALUES (3, 'Locks')")
    hour, rows = it.export(), it.databases.rows(it.databases.name)
    it.lifeboat.configure("")
    it.lifeboat.run("prove", "hold", hour["id"], "--until", "90d", "--config", "backup.toml")
    # The day's own manifest is gone by then, and what the hour does not name.
    live_to(it, PARTS_CAP + 5)
    set_clock(it.accounts, 0)
    it.lifeboat.restore(hour["id"])
    assert it.databases.rows(it.databases.restored) == rows


def live_to(it, days):
    """The lifecycle of each day until then."""
    for after in range(getattr(it, "day", 0), days + 1):
        set_clock(it.accounts, after * DAY + 3600)
        it.accounts.cloud.control("POST", "lifecycle")
    it.day = days


def test_the_exporter_locks_parts_for_that_long_and_shortens_nothing(scene):
    it = scene(**HOURS)
    point = it.export()["id"]
    name_the_objects(it.accounts, point)
    accounts, folder = it.accounts, f"parts/prod/{it.databases.name}/20261123T020000Z-xxxxxx/1"
    for days, path in ((PARTS_CAP + 1, folder), (DAILY + 3, folder.replace("parts/", "manifests/"))):
        with pytest.raises(ClientError, match="AccessDenied"):
            accounts.put("exporter", path, days=days)
    accounts.put("exporter", folder, days=PARTS_CAP)
    # What it may lock for a few days is what it stores from now on.
    for kind in ("part", "manifest"):
        for attack in (f"shorten the lock of {kind} to a day", f"delete the version of {kind}", f"overwrite {kind}"):
            assert ATTACKS[attack].outcome(accounts, "exporter") == ATTACKS[attack].refusal("exporter"), attack


def test_doctor_knows_why_objects_are_hidden_early(scene):
    it = scene(**HOURS)

    def told(more):
        it.lifeboat.configure(f"[lock]\ndaily_days = {DAILY}\n{more}")
        found = it.lifeboat.run("prove", "doctor", "--no-try", "--config", "backup.toml", code=3)["findings"]
        return [one["what"] for one in found if one["check"] == "lifecycle"]

    assert told(f"hourly_days = {HOURLY}\n") == []
    (parts, manifests) = told("")
    assert f"after {HOURLY + 5} days" in parts and f"after {HOURLY + 1} days" in manifests, (parts, manifests)
