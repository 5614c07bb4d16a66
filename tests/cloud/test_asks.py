"""The tables of actions against AWS's service authorization reference, as cfn-lint carries it."""

import pytest

from . import asks_kms, asks_rds, asks_s3
from .policy import reference


@pytest.mark.parametrize("operation", sorted(asks_s3.BUCKET_ACTIONS))
def test_a_bucket_s_action_is_for_buckets(operation):
    assert "bucket" in reference()["s3"][asks_s3.BUCKET_ACTIONS[operation].lower()]["Resources"]


@pytest.mark.parametrize("operation", sorted(asks_s3.OBJECT_ACTIONS))
def test_an_object_s_actions_are_for_objects(operation):
    for actions in asks_s3.OBJECT_ACTIONS[operation]:
        for action in actions or []:
            assert "object" in reference()["s3"][action.lower()]["Resources"]


@pytest.mark.parametrize("operation", sorted(asks_kms.ON_KEY | asks_kms.WITHOUT_RESOURCE))
def test_a_key_s_action_is_for_keys(operation):
    resources = reference()["kms"][operation.lower()].get("Resources", [])
    assert resources == (["key"] if operation in asks_kms.ON_KEY else [])


def test_asking_for_security_groups_has_no_resources():
    assert "Resources" not in reference()["ec2"]["describesecuritygroups"]


def test_putting_a_metric_is_an_action():
    assert "putmetricdata" in reference()["cloudwatch"]


def test_rds_parameters_name_kinds_of_resources_that_exist():
    kinds = {kind for entry in reference()["rds"].values() for kind in entry.get("Resources", [])}
    assert set(asks_rds.PARAMETERS.values()) | set(asks_rds.ABOUT.values()) <= kinds
