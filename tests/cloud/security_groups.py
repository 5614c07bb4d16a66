"""Security groups that tests and templates make, straight in moto's store: EC2 here only tells of them."""

import secrets

from . import moto_parts

# A rule has one of them.
TARGETS = {"cidr", "ipv6", "prefix_list", "group"}


def make(account, region, egress, vpc=None, name=None):
    """A group that lets out what these rules say and nothing else, in the default VPC unless another is named; its id.

    A rule is {"protocol", "from", "to"} and one of TARGETS.
    """
    name = name or f"group-{secrets.token_hex(4)}"
    group = moto_parts.ec2(account, region).create_security_group(name, name, vpc_id=vpc)
    # AWS lets all out until it is told otherwise.
    group.egress_rules = []
    let_out(account, region, group.id, egress)
    return group.id


def let_out(account, region, group, egress, owner=""):
    """Gives a group these rules of an owner, instead of those that it had of them."""
    backend = moto_parts.ec2(account, region)
    found = backend.get_security_group_from_id(group)
    if not found:
        raise ValueError(f"no security group {group}")
    found.egress_rules = [rule for rule in found.egress_rules if getattr(rule, "owner", None) != owner]
    for rule in egress:
        for made in _add(backend, group, rule):
            made.owner = owner


def _add(backend, group, rule):
    if not set(rule) <= {"protocol", "from", "to", *TARGETS} or len(TARGETS & set(rule)) != 1:
        raise ValueError(f"a rule has protocol, from, to and one of {sorted(TARGETS)}: {rule}")
    made, _ = backend.authorize_security_group_egress(
        group,
        rule["protocol"],
        rule.get("from"),
        rule.get("to"),
        [{key: rule[word]} for word, key in (("cidr", "CidrIp"), ("ipv6", "CidrIpv6")) if word in rule],
        source_groups=[{"GroupId": rule["group"]}] if "group" in rule else [],
        prefix_list_ids=[{"PrefixListId": rule["prefix_list"]}] if "prefix_list" in rule else [],
    )
    return made


# ---------------------------------------------------------------- templates

GROUP, RULE = "AWS::EC2::SecurityGroup", "AWS::EC2::SecurityGroupEgress"
WORDS = {
    "IpProtocol": "protocol",
    "FromPort": "from",
    "ToPort": "to",
    "CidrIp": "cidr",
    "CidrIpv6": "ipv6",
    "DestinationPrefixListId": "prefix_list",
    "DestinationSecurityGroupId": "group",
}


def egress_of(kind, properties):
    """The rules of a template's resource. A group without any keeps AWS's own, as it does under CloudFormation."""
    if kind == RULE:
        return [_in_our_words(properties)]
    listed = properties.get("SecurityGroupEgress")
    return [_in_our_words(rule) for rule in listed] if listed else [{"protocol": "-1", "cidr": "0.0.0.0/0"}]


def _in_our_words(rule):
    return {WORDS.get(key, key): value for key, value in rule.items() if key not in ("Description", "GroupId")}
