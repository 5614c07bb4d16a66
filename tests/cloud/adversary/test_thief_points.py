"""Points that a thief of the exporter's rights and of its signing key adds: what the backup account then keeps."""

from datetime import datetime, timedelta, timezone

from .accounts import BUCKET, DAILY
from .thief import Thief, point_id, set_clock

WEEKLY = 60
CONFIG = f"""[lock]
daily_days = {DAILY}
weekly_days = {WEEKLY}

[drill]
weak_wall = true
"""


def test_no_week_loses_its_true_point(exported):
    accounts, lifeboat = exported.accounts, exported.lifeboat
    lifeboat.configure(CONFIG)
    thief, week = Thief(accounts, lifeboat.folder), Weeks(accounts)
    like = thief.manifest(exported.point)
    # A forged one needs nothing but a signature.
    empty = {**like, "objects": [], "tables": []}

    # A week with few: the true one, and one that says that it is of the future.
    week.at(0, 2)
    ours = [thief.add_point(like, point_id("20260105T020000Z", 0))]
    few = [ours[0], thief.add_point(like, point_id("20991231T000000Z", 1))]
    # One with a hundred, before and after the true one.
    week.at(1, 1)
    many = [thief.add_point(empty, point_id("20000101T000000Z", number)) for number in range(50, 100)]
    week.at(1, 2)
    ours.append(thief.add_point(like, point_id("20260112T020000Z", 0)))
    week.at(1, 3)
    many += [ours[1], *(thief.add_point(empty, point_id("20991231T000000Z", number)) for number in range(100, 150))]
    week.now()

    # None of those is the newest: the store's time decides.
    assert lifeboat.run("prove", "show", "latest", "--config", "backup.toml")["manifest"]["id"] == exported.point

    # Nobody looked at them yet: what may be true is held, whatever there is too much of is told, too.
    report = lifeboat.run("prove", "promote", "--config", "backup.toml", code=3)
    (contested,) = report["contested"]
    assert sorted(contested["ids"]) == sorted(many)
    assert contested["tiers"] == ["weekly"]
    assert any(f"{len(many)} restore points" in finding for finding in report["findings"])
    held = {one["id"]: one["tiers"] for one in report["points"]}
    assert {point: held[point] for point in [*few, *many]} == dict.fromkeys([*few, *many], [])
    # For one daily tier more, or until the weekly one ends.
    until = min(datetime.now(timezone.utc) + timedelta(days=DAILY - 1), week.begin + timedelta(days=WEEKLY))
    assert all(week.locked_until(point) >= until for point in [*few, *many])

    # Each of the few restores, so each is kept; of the many none is chosen.
    for point in few:
        lifeboat.run("prove", "drill", point, "--config", "backup.toml")
    # A drill of one of the many is nobody's word that it is the true one.
    lifeboat.run("prove", "drill", ours[1], "--config", "backup.toml")
    report = lifeboat.run("prove", "promote", "--config", "backup.toml", code=3)
    chosen = [one["id"] for one in report["points"] if one["tiers"]]
    assert sorted(chosen) == sorted(few)
    assert all(week.locked_until(point) >= week.begin + timedelta(days=WEEKLY) for point in few)
    assert [len(one["ids"]) for one in report["contested"]] == [len(many)]


class Weeks:
    """Two weeks that are over, and whose points' locks are half gone."""

    def __init__(self, accounts):
        self.accounts = accounts
        today = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
        self.begin = today - timedelta(days=today.weekday() + 4 * 7)

    def at(self, number, hour):
        moment = self.begin + timedelta(days=7 * number, hours=hour)
        set_clock(self.accounts, (moment - datetime.now(timezone.utc)).total_seconds())

    def now(self):
        set_clock(self.accounts, 0)

    def locked_until(self, point):
        path = self.accounts.objects["manifest"][0].rpartition("/")[0]
        retention = self.accounts.client("root", "s3").get_object_retention(Bucket=BUCKET, Key=f"{path}/{point}.json")
        return retention["Retention"]["RetainUntilDate"]
