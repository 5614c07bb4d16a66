"""Sessions: roles and their trust, expiry, and who one is then."""

import json
from datetime import datetime, timezone

import pytest

from .conftest import BACKUP, SOURCE, allow, deny, document

ROLE = f"arn:aws:iam::{BACKUP}:role/lifeboat/Exporter"


def trust(principal, **conditions):
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}
    return document({**statement, "Condition": conditions} if conditions else statement)


def make_role(cloud, trusted, *statements, **more):
    policies = {"inline": document(*statements)} if statements else {}
    cloud.setup(
        {
            "id": BACKUP,
            "roles": [{"name": "Exporter", "path": "/lifeboat/", "trust": trusted, "policies": policies, **more}],
        }
    )


@pytest.fixture
def task(cloud):
    """A caller of the source account that may assume anything."""
    return cloud.user(SOURCE, "task", allow("sts:AssumeRole"))


def test_a_root_and_a_user_are_who_they_are(cloud):
    who = cloud.client("sts", cloud.roots[SOURCE]).get_caller_identity()
    assert (who["Account"], who["Arn"], who["UserId"]) == (SOURCE, f"arn:aws:iam::{SOURCE}:root", SOURCE)
    who = cloud.client("sts", cloud.user(BACKUP, "ann")).get_caller_identity()
    assert (who["Account"], who["Arn"]) == (BACKUP, f"arn:aws:iam::{BACKUP}:user/ann")


def test_a_session_is_of_the_role_s_account(cloud, task):
    make_role(cloud, trust(SOURCE), allow("s3:ListAllMyBuckets"))
    session = cloud.assume(task, ROLE, "nightly")
    who = cloud.client("sts", session).get_caller_identity()
    assert (who["Account"], who["Arn"]) == (BACKUP, f"arn:aws:sts::{BACKUP}:assumed-role/Exporter/nightly")
    assert who["UserId"].endswith(":nightly") and who["UserId"].startswith("AROA")
    cloud.client("s3", session).list_buckets()


def test_a_role_that_is_not_there(cloud, task, code):
    assert code(cloud.assume, task, ROLE) == "AccessDenied"
    assert code(cloud.assume, task, "arn:aws:iam::333333333333:role/Exporter") == "AccessDenied"


def test_a_role_that_trusts_others(cloud, task, code):
    make_role(cloud, trust(BACKUP))
    assert code(cloud.assume, task, ROLE) == "AccessDenied"


def test_a_caller_without_the_right(cloud, code):
    make_role(cloud, trust(SOURCE))
    assert code(cloud.assume, cloud.user(SOURCE, "ann"), ROLE) == "AccessDenied"


@pytest.mark.parametrize(
    ("given", "refused"),
    [({}, "AccessDenied"), ({"ExternalId": "wrong"}, "AccessDenied"), ({"ExternalId": "right"}, "")],
)
def test_the_external_id(cloud, task, code, given, refused):
    make_role(cloud, trust(SOURCE, StringEquals={"sts:ExternalId": "right"}))
    assert code(cloud.assume, task, ROLE, **given) == refused


def test_a_session_expires(cloud, task, code):
    make_role(cloud, trust(SOURCE), allow("s3:*"))
    session = cloud.assume(task, ROLE, DurationSeconds=900)
    assert 800 < (session["expires"] - datetime.now(timezone.utc)).total_seconds() <= 900
    s3, kms, rds = (cloud.client(service, session) for service in ("s3", "kms", "rds"))
    s3.list_buckets()
    cloud.control("POST", "clock", {"advance_seconds": 901})
    assert code(s3.list_buckets) == "ExpiredToken"
    assert code(kms.list_keys) == "ExpiredTokenException"
    assert code(rds.describe_db_instances) == "ExpiredToken"


def test_sessions_end_on_demand_while_their_holders_believe_in_them(cloud, task, code):
    make_role(cloud, trust(SOURCE), allow("s3:*"))
    session = cloud.assume(task, ROLE)
    cloud.control("POST", "sessions/end")
    assert code(cloud.client("s3", session).list_buckets) == "ExpiredToken"
    cloud.client("s3", cloud.assume(task, ROLE)).list_buckets()


def test_a_test_may_shorten_sessions(cloud, task):
    make_role(cloud, trust(SOURCE))
    cloud.control("POST", "settings", {"session_seconds": 5})
    assert (cloud.assume(task, ROLE)["expires"] - datetime.now(timezone.utc)).total_seconds() <= 5


def test_a_token_that_is_another_s(cloud, task, code):
    make_role(cloud, trust(SOURCE), allow("s3:*"))
    session = cloud.assume(task, ROLE)
    assert code(cloud.client("s3", {**session, "session_token": "x"}).list_buckets) == "InvalidToken"
    assert code(cloud.client("s3", {**session, "session_token": None}).list_buckets) == "InvalidToken"


def test_a_session_policy_narrows(cloud, task, code):
    make_role(cloud, trust(SOURCE), allow("s3:*"))
    session = cloud.assume(task, ROLE, Policy=json.dumps(document(allow("s3:GetObject"))))
    assert code(cloud.client("s3", session).list_buckets) == "AccessDenied"


def test_a_chained_session_lasts_an_hour_at_most(cloud, task, code):
    make_role(cloud, trust(SOURCE), allow("sts:AssumeRole"), max_session_seconds=43200)
    second = {"name": "Second", "trust": trust(BACKUP), "max_session_seconds": 43200}
    cloud.setup({"id": BACKUP, "roles": [second]})
    session = cloud.assume(task, ROLE, DurationSeconds=7200)
    arn = f"arn:aws:iam::{BACKUP}:role/Second"
    assert code(cloud.assume, session, arn, DurationSeconds=7200) == "ValidationError"
    cloud.assume(session, arn, DurationSeconds=3600)


def test_longer_than_the_role_allows(cloud, task, code):
    make_role(cloud, trust(SOURCE))
    assert code(cloud.assume, task, ROLE, DurationSeconds=3601) == "ValidationError"


def test_a_session_of_a_role_that_was_deleted_can_do_nothing(cloud, task, code):
    make_role(cloud, trust(SOURCE), allow("s3:*"))
    session = cloud.assume(task, ROLE)
    iam = cloud.client("iam", cloud.roots[BACKUP])
    iam.delete_role_policy(RoleName="Exporter", PolicyName="inline")
    iam.delete_role(RoleName="Exporter")
    make_role(cloud, trust(SOURCE), allow("s3:*"))
    assert code(cloud.client("s3", session).list_buckets) == "AccessDenied"


# ---------------------------------------------------------------- IAM


def test_users_roles_and_policies_made_by_calls_count(cloud, code):
    iam = cloud.client("iam", cloud.roots[BACKUP])
    iam.create_user(UserName="ann")
    made = iam.create_access_key(UserName="ann")["AccessKey"]
    ann = cloud.client("s3", {"access_key_id": made["AccessKeyId"], "secret_access_key": made["SecretAccessKey"]})
    assert code(ann.list_buckets) == "AccessDenied"
    arn = iam.create_policy(PolicyName="read", PolicyDocument=json.dumps(document(allow("s3:*"))))["Policy"]["Arn"]
    iam.attach_user_policy(UserName="ann", PolicyArn=arn)
    ann.list_buckets()
    iam.put_user_policy(UserName="ann", PolicyName="not", PolicyDocument=json.dumps(document(deny("s3:*"))))
    assert code(ann.list_buckets) == "AccessDenied"


def test_a_group_s_policies_are_its_members(cloud, code):
    iam = cloud.client("iam", cloud.roots[BACKUP])
    key = cloud.user(BACKUP, "ann")
    iam.create_group(GroupName="readers")
    iam.put_group_policy(GroupName="readers", PolicyName="read", PolicyDocument=json.dumps(document(allow("s3:*"))))
    assert code(cloud.client("s3", key).list_buckets) == "AccessDenied"
    iam.add_user_to_group(GroupName="readers", UserName="ann")
    cloud.client("s3", key).list_buckets()


def test_administrators_have_all_rights_in_their_account_only(cloud, code):
    made = cloud.setup(
        {"id": SOURCE, "users": [{"name": "admin", "managed": ["arn:aws:iam::aws:policy/AdministratorAccess"]}]}
    )
    admin = cloud.client("iam", made[SOURCE]["users"]["admin"])
    admin.create_user(UserName="ann")
    make_role(cloud, trust(BACKUP))
    assert code(admin.update_assume_role_policy, RoleName="Exporter", PolicyDocument="{}") == "NoSuchEntity"
    assert code(cloud.assume, made[SOURCE]["users"]["admin"], ROLE) == "AccessDenied"


def test_rights_on_roles_go_by_their_arn(cloud, code):
    make_role(cloud, trust(BACKUP))
    key = cloud.user(BACKUP, "ann", allow("iam:*"), deny("iam:*", f"arn:aws:iam::{BACKUP}:role/lifeboat/*"))
    ann = cloud.client("iam", key)
    assert code(ann.delete_role, RoleName="Exporter") == "AccessDenied"
    assert code(ann.put_role_policy, RoleName="Exporter", PolicyName="x", PolicyDocument="{}") == "AccessDenied"
    assert code(ann.delete_user, UserName="ann") != "AccessDenied"


def test_a_trust_policy_that_names_nobody_is_refused(cloud, code):
    iam = cloud.client("iam", cloud.roots[BACKUP])
    nobody = json.dumps(trust(f"arn:aws:iam::{SOURCE}:role/none"))
    assert code(iam.create_role, RoleName="x", AssumeRolePolicyDocument=nobody) == "MalformedPolicyDocument"


def test_a_policy_with_an_unknown_action_fails_loudly(cloud, code):
    cloud.expect_unknown = True
    iam = cloud.client("iam", cloud.roots[BACKUP])
    text = json.dumps(document(deny("s3:DeleteObjektVersion")))
    assert code(iam.create_policy, PolicyName="x", PolicyDocument=text) == "TestsAwsDoesNotKnow"


def test_a_service_that_is_not_here_fails_loudly(cloud, code):
    cloud.expect_unknown = True
    assert code(cloud.client("sns", cloud.roots[BACKUP]).list_topics) == "TestsAwsDoesNotKnow"
