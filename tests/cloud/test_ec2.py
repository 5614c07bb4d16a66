"""EC2: what a security group lets out, and who may ask."""

import urllib.error
import urllib.request

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from .conftest import BACKUP, REGION, SOURCE, allow

ALL = {"IpProtocol": "-1", "UserIdGroupPairs": [], "IpRanges": [{"CidrIp": "0.0.0.0/0"}], "Ipv6Ranges": [], "PrefixListIds": []}  # fmt: skip
TO_ALL = {"protocol": "-1", "cidr": "0.0.0.0/0"}
HTTPS = {"protocol": "tcp", "from": 443, "to": 443}


def make(cloud, *egress, account=BACKUP, region=REGION):
    body = {"account": account, "region": region, "egress": egress}
    return cloud.control("POST", "security-group", body)["security_group"]


@pytest.fixture
def ec2(cloud):
    return cloud.client("ec2", cloud.roots[BACKUP])


def egress(ec2, group):
    (found,) = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
    assert found["GroupId"] == group
    return found["IpPermissionsEgress"]


def refusal(ec2, *groups):
    """Code and status."""
    with pytest.raises(ClientError) as raised:
        ec2.describe_security_groups(GroupIds=groups)
    answer = raised.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


# ---------------------------------------------------------------- what is told


def test_the_default_group_lets_all_out(cloud, ec2):
    network = cloud.control("GET", f"network?account={BACKUP}&region={REGION}")
    assert set(network) == {"vpc", "subnets", "security_group"}
    assert egress(ec2, network["security_group"]) == [ALL]


def test_a_group_without_rules_lets_nothing_out(cloud, ec2):
    assert egress(ec2, make(cloud)) == []


RULES = [
    (TO_ALL, {}),
    ({"protocol": "-1", "ipv6": "::/0"}, {"IpRanges": [], "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}),
    (
        {**HTTPS, "cidr": "10.0.0.0/8"},
        {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]},
    ),
    (
        {**HTTPS, "prefix_list": "pl-12345678"},
        {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [], "PrefixListIds": [{"PrefixListId": "pl-12345678"}]},
    ),
    (
        {"protocol": "icmp", "from": -1, "to": -1, "cidr": "127.0.0.1/32"},
        {"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1, "IpRanges": [{"CidrIp": "127.0.0.1/32"}]},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "told"), RULES)
def test_a_group_lets_out_what_it_was_made_with_and_nothing_else(cloud, ec2, rule, told):
    assert egress(ec2, make(cloud, rule)) == [ALL | told]


def test_a_group_lets_out_to_another(cloud, ec2):
    other = make(cloud)
    (told,) = egress(ec2, make(cloud, {**HTTPS, "group": other}))
    assert (told["UserIdGroupPairs"], told["IpRanges"]) == ([{"UserId": BACKUP, "GroupId": other}], [])


def test_rules_of_the_same_ports_are_told_together(cloud, ec2):
    (told,) = egress(ec2, make(cloud, TO_ALL, {"protocol": "-1", "ipv6": "::/0"}))
    assert told == ALL | {"Ipv6Ranges": [{"CidrIpv6": "::/0"}]}


def test_several_groups_are_told_at_once(cloud, ec2):
    groups = {make(cloud) for _ in range(3)}
    told = ec2.describe_security_groups(GroupIds=sorted(groups))["SecurityGroups"]
    assert {group["GroupId"] for group in told} == groups


@pytest.mark.parametrize(
    "rule", [{"protocol": "-1"}, {**TO_ALL, "ipv6": "::/0"}, {**TO_ALL, "cdr": "::/0"}, {**TO_ALL, "cidr": "all"}]
)
def test_a_rule_that_would_be_none_is_refused(cloud, rule):
    with pytest.raises(urllib.error.HTTPError):
        make(cloud, rule)


# ---------------------------------------------------------------- what is refused


def test_a_group_that_is_not_there(cloud, ec2):
    assert refusal(ec2, "sg-0123456789abcdef0") == ("InvalidGroup.NotFound", 400)
    assert refusal(ec2, make(cloud), "sg-01234567") == ("InvalidGroup.NotFound", 400)
    for elsewhere in (make(cloud, account=SOURCE), make(cloud, region="us-east-1")):
        assert refusal(ec2, elsewhere) == ("InvalidGroup.NotFound", 400)


@pytest.mark.parametrize("group", ["default", "sg-", "sg-123", "sg-0123456789ABCDEF0", "sg-01234567,sg-89abcdef"])
def test_what_is_no_group_s_id(ec2, group):
    assert refusal(ec2, group) == ("InvalidGroupId.Malformed", 400)


def test_asking_is_a_right_on_all_groups_or_none(cloud):
    group = make(cloud)
    statements = {
        "nothing": [],
        "other": [allow("rds:*")],
        "one": [allow("ec2:DescribeSecurityGroups", f"arn:aws:ec2:{REGION}:{BACKUP}:security-group/{group}")],
    }
    for name, given in statements.items():
        caller = cloud.client("ec2", cloud.user(BACKUP, name, *given))
        assert refusal(caller, group) == ("UnauthorizedOperation", 403)
    egress(cloud.client("ec2", cloud.user(BACKUP, "asker", allow("ec2:DescribeSecurityGroups"))), group)


def test_credentials_that_are_wrong(cloud):
    root = cloud.roots[BACKUP]
    for wrong in ({"secret_access_key": "x"}, {"access_key_id": "AKIAAAAAAAAAAAAAAAAA"}):
        assert refusal(cloud.client("ec2", root | wrong), "sg-01234567") == ("AuthFailure", 401)


@pytest.mark.parametrize("skew", [-3600, 3600])
def test_a_clock_far_off(cloud, ec2, skew):
    cloud.control("POST", "clock", {"skew_seconds": skew})
    assert refusal(ec2, "sg-01234567") == ("AuthFailure", 401)


def test_a_session_that_is_over(cloud):
    trust = {"Effect": "Allow", "Principal": {"AWS": BACKUP}, "Action": "sts:AssumeRole"}
    cloud.setup({"id": BACKUP, "roles": [{"name": "asker", "trust": {"Version": "2012-10-17", "Statement": [trust]}}]})
    session = cloud.assume(cloud.user(BACKUP, "ann", allow("sts:*")), f"arn:aws:iam::{BACKUP}:role/asker")
    stranger = cloud.client("ec2", session | {"session_token": "x"})
    assert refusal(stranger, "sg-01234567") == ("AuthFailure", 401)
    cloud.control("POST", "sessions/end")
    assert refusal(cloud.client("ec2", session), "sg-01234567") == ("RequestExpired", 400)


# ---------------------------------------------------------------- requests written by hand

ASKED = "Action=DescribeSecurityGroups&GroupId.1={group}&Version=2016-11-15"


def send(cloud, method, arguments):
    """Status and text."""
    url, data = (f"{cloud.url}/?{arguments}", None) if method == "GET" else (f"{cloud.url}/", arguments.encode())
    request = AWSRequest(method, url, {"Content-Type": "application/x-www-form-urlencoded"}, data)
    root = cloud.roots[BACKUP]
    SigV4Auth(Credentials(root["access_key_id"], root["secret_access_key"]), "ec2", REGION).add_auth(request)
    request = urllib.request.Request(url, data, dict(request.headers), method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_asked_by_hand(cloud, method):
    status, text = send(cloud, method, ASKED.format(group=make(cloud, {**HTTPS, "cidr": "10.0.0.0/8"})))
    assert status == 200
    rule = "<ipProtocol>tcp</ipProtocol><fromPort>443</fromPort><toPort>443</toPort><groups/>"
    assert f"<ipPermissionsEgress><item>{rule}<ipRanges><item><cidrIp>10.0.0.0/8</cidrIp></item></ipRanges>" in text


def test_a_refusal_in_the_words_of_ec2(cloud):
    _, text = send(cloud, "GET", ASKED.format(group="sg-01234567"))
    error = "<Code>InvalidGroup.NotFound</Code><Message>The security group 'sg-01234567' does not exist</Message>"
    assert f"<Response><Errors><Error>{error}</Error></Errors><RequestID>" in text


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("GroupId.1", "GroupIds.1"),
        ("GroupId.1", "GroupId.0"),
        ("GroupId.1", "GroupName.1"),
        ("GroupId.1", "Filter.1.Value.1"),
        ("&Version=2016-11-15", ""),
        ("2016-11-15", "2014-10-01"),
        ("DescribeSecurityGroups", "DescribeSecurityGroupRules"),
        ("DescribeSecurityGroups", "DescribeSecurityGroup"),
    ],
)
def test_what_it_does_not_know_of_ec2_fails_loudly(cloud, right, wrong):
    cloud.expect_unknown = True
    status, text = send(cloud, "POST", ASKED.format(group=make(cloud)).replace(right, wrong))
    assert (status, "<Code>TestsAwsDoesNotKnow</Code>" in text) == (500, True)


# ---------------------------------------------------------------- faults and the log


def test_a_fault_strikes_by_number_and_by_group(cloud, ec2, code):
    first, second = make(cloud), make(cloud)
    cloud.control("POST", "faults", {"kind": "error", "call": 2, "code": "InternalError"})
    cloud.control("POST", "faults", {"kind": "error", "resource": second, "code": "Throttling"})
    asked = [code(ec2.describe_security_groups, GroupIds=[group]) for group in (first, first, second, second)]
    assert asked == ["", "InternalError", "RequestLimitExceeded", ""]


def test_the_log_tells_of_it(cloud, ec2):
    group = make(cloud)
    egress(ec2, group)
    (call,) = cloud.control("GET", "calls")
    assert (call["operation"], call["account"], call["status"]) == ("ec2:DescribeSecurityGroups", BACKUP, 200)
    assert call["resources"] == [group]
    assert [(ask["action"], ask["resource"], ask["allowed"]) for ask in call["asked"]] == [
        ("ec2:DescribeSecurityGroups", "*", True)
    ]
