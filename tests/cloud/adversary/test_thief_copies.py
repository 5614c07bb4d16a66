"""Copies that a thief of the source's rights has made: which ones `snapshot expire` then deletes."""

from .. import clock
from .copies import Copies

CONFIG = """[snapshot]
kms_key = "{key}"
expire = true
keep_days = 3
keep_weeks = 1
keep_months = 1
keep_verified = 2
"""
AT_MOST = 5
NIGHTS = 17
# From then on the source is not ours alone.
STOLEN = 15
TODAY = NIGHTS - 1


def test_no_true_copy_goes(exported):
    accounts, lifeboat = exported.accounts, exported.lifeboat
    lifeboat.configure(CONFIG.format(key=accounts.snapshot_key))
    copies = Copies(accounts, NIGHTS)
    true, false = [], []
    for night in range(NIGHTS):
        copies.at(night, 2)
        true.append(copies.make(f"lifeboat-prod-{night:02}"))
        copies.drill(true[-1])
        if night == STOLEN:
            kept = copies.kept(lifeboat)
            assert 0 < len(kept) < len(true)
        if night < STOLEN:
            continue
        # Earlier and later than they were; of another snapshot; and the newest of the night is drilled.
        for number, taken in enumerate(("2001-01-01T00:00:00Z", "2099-01-01T00:00:00Z", copies.moment(night))):
            copies.at(night, 3 + number)
            false.append(copies.make(f"lifeboat-prod-{night:02}-{number}", taken))
        copies.drill(false[-1])
    false.append(copies.make_unencrypted("lifeboat-prod-plain", copies.moment(TODAY)))
    copies.at(TODAY, 12)
    false.append(copies.make_of_cluster("lifeboat-prod-cluster", "2099-01-01T00:00:00Z"))

    deleted = []
    for _ in range(3):
        before = copies.there()
        report = lifeboat.run("expire", "snapshot", "expire", "--backup-account", "--config", "backup.toml", code=3)
        gone = before - copies.there()
        assert len(gone) == report["deleted"] <= AT_MOST
        deleted.append(len(gone))
        # What went would have gone without the thief as well.
        assert gone <= set(true) - kept
        assert copies.there() >= kept | set(true[STOLEN:]) | set(false)
        told = "\n".join(report["findings"])
        for night in range(STOLEN, NIGHTS):
            assert f"copies of prod are of {copies.moment(night):.10}, and a day should have 1" in told
        assert "lifeboat-prod-cluster say that it was taken at 2099-01-01T00:00:00Z" in told
    # There was more to delete than one run may.
    assert deleted[0] == AT_MOST and 0 < deleted[1] and deleted[2] == 0

    # Nor is it the newest for a drill or a restore.
    listed = lifeboat.run("restore", "snapshot", "list", "--config", "backup.toml")["copies"]
    assert len(listed) == len(copies.there())
    assert all(one["taken_at"] <= clock.iso(clock.now()) for one in listed)
