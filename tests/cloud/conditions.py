"""Condition keys and operators of policies, as IAM's reference describes them.

Only keys that this AWS puts into a request's context, or that it rightly never has, are known. Every other
key or operator raises Unknown: a condition that is silently never met would let a wrong template pass.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timezone
from ipaddress import ip_address, ip_network

from . import arn


class Unknown(Exception):
    """Something in a policy that this AWS does not know; the server answers 500 with a marker."""


@dataclass(frozen=True)
class Key:
    kind: str  # string, arn, bool, numeric, date, ip
    many: bool = False


STRING, ARN, BOOL = Key("string"), Key("arn"), Key("bool")
NUMERIC, DATE, IP = Key("numeric"), Key("date"), Key("ip")
STRINGS, ARNS = Key("string", many=True), Key("arn", many=True)

KEYS = {
    # Of every request.
    "aws:currenttime": DATE,
    "aws:epochtime": DATE,
    "aws:securetransport": BOOL,
    "aws:sourceip": IP,
    "aws:useragent": STRING,
    "aws:referer": STRING,
    "aws:requestedregion": STRING,
    "aws:viaawsservice": BOOL,
    # Of the caller.
    "aws:principalarn": ARN,
    "aws:principalaccount": STRING,
    "aws:principaltype": STRING,
    "aws:principalisawsservice": BOOL,
    "aws:userid": STRING,
    "aws:username": STRING,
    "aws:tokenissuetime": DATE,
    "aws:multifactorauthpresent": BOOL,
    "aws:sourceidentity": STRING,
    # Of the resource.
    "aws:resourceaccount": STRING,
    "aws:tagkeys": STRINGS,
    # Never there: no organization, no VPC, no federation, no calls by a service's own principal.
    "aws:principalorgid": STRING,
    "aws:principalorgpaths": STRINGS,
    "aws:resourceorgid": STRING,
    "aws:resourceorgpaths": STRINGS,
    "aws:sourceorgid": STRING,
    "aws:principalservicename": STRING,
    "aws:principalservicenameslist": STRINGS,
    "aws:sourceaccount": STRING,
    "aws:sourcearn": ARN,
    "aws:sourcevpc": STRING,
    "aws:sourcevpce": STRING,
    "aws:vpcsourceip": IP,
    "aws:calledvia": STRINGS,
    "aws:calledviafirst": STRING,
    "aws:calledvialast": STRING,
    "aws:federatedprovider": STRING,
    "aws:multifactorauthage": NUMERIC,
    # S3
    "s3:authtype": STRING,
    "s3:signatureage": NUMERIC,
    "s3:signatureversion": STRING,
    "s3:tlsversion": NUMERIC,
    "s3:resourceaccount": STRING,
    "s3:x-amz-content-sha256": STRING,
    "s3:x-amz-acl": STRING,
    "s3:x-amz-copy-source": STRING,
    "s3:x-amz-metadata-directive": STRING,
    "s3:x-amz-server-side-encryption": STRING,
    "s3:x-amz-server-side-encryption-aws-kms-key-id": ARN,
    "s3:x-amz-server-side-encryption-customer-algorithm": STRING,
    "s3:x-amz-storage-class": STRING,
    "s3:x-amz-website-redirect-location": STRING,
    "s3:x-amz-object-ownership": STRING,
    "s3:x-amz-grant-full-control": STRING,
    "s3:x-amz-grant-read": STRING,
    "s3:x-amz-grant-read-acp": STRING,
    "s3:x-amz-grant-write": STRING,
    "s3:x-amz-grant-write-acp": STRING,
    "s3:if-match": STRING,
    "s3:if-none-match": STRING,
    "s3:objectcreationoperation": BOOL,
    "s3:object-lock-mode": STRING,
    "s3:object-lock-retain-until-date": DATE,
    "s3:object-lock-remaining-retention-days": NUMERIC,
    "s3:object-lock-legal-hold": STRING,
    "s3:requestobjecttagkeys": STRINGS,
    "s3:versionid": STRING,
    "s3:prefix": STRING,
    "s3:delimiter": STRING,
    "s3:max-keys": NUMERIC,
    "s3:locationconstraint": STRING,
    # KMS
    "kms:bypasspolicylockoutsafetycheck": BOOL,
    "kms:calleraccount": STRING,
    "kms:viaservice": STRING,
    "kms:keyorigin": STRING,
    "kms:keyspec": STRING,
    "kms:keyusage": STRING,
    "kms:multiregion": BOOL,
    "kms:resourcealiases": STRINGS,
    "kms:requestalias": STRING,
    "kms:encryptionalgorithm": STRING,
    "kms:encryptioncontextkeys": STRINGS,
    "kms:signingalgorithm": STRING,
    "kms:messagetype": STRING,
    "kms:grantisforawsresource": BOOL,
    "kms:grantoperations": STRINGS,
    "kms:grantconstrainttype": STRING,
    "kms:granteeprincipal": ARN,
    "kms:retiringprincipal": ARN,
    "kms:schedulekeydeletionpendingwindowindays": NUMERIC,
    "kms:reencryptonsamekey": BOOL,
    "kms:datakeyspec": STRING,
    # RDS
    "rds:databaseclass": STRING,
    "rds:databaseengine": STRING,
    "rds:databasename": STRING,
    "rds:multiaz": BOOL,
    "rds:storageencrypted": BOOL,
    "rds:storagesize": NUMERIC,
    "rds:piops": NUMERIC,
    "rds:publiclyaccessible": BOOL,
    "rds:managemasteruserpassword": BOOL,
    "rds:vpc": BOOL,
    # CloudWatch
    "cloudwatch:namespace": STRING,
    # IAM and STS
    "iam:passedtoservice": STRING,
    "iam:permissionsboundary": ARN,
    "iam:policyarn": ARN,
    "iam:awsservicename": STRING,
    "sts:externalid": STRING,
    "sts:rolesessionname": STRING,
    "sts:sourceidentity": STRING,
    "sts:transitivetagkeys": STRINGS,
}

# Keys whose last part is a tag's or a context's name.
PREFIXES = {
    "aws:principaltag/": STRING,
    "aws:requesttag/": STRING,
    "aws:resourcetag/": STRING,
    "iam:resourcetag/": STRING,
    "s3:requestobjecttag/": STRING,
    "s3:existingobjecttag/": STRING,
    "kms:encryptioncontext:": STRING,
    "rds:db-tag/": STRING,
    "rds:cluster-tag/": STRING,
    "rds:snapshot-tag/": STRING,
    "rds:cluster-snapshot-tag/": STRING,
    "rds:req-tag/": STRING,
}


def key_type(name):
    lower = name.lower()
    if lower in KEYS:
        return KEYS[lower]
    for prefix, key in PREFIXES.items():
        if lower.startswith(prefix) and len(lower) > len(prefix):
            return key
    raise Unknown(f"condition key {name}")


# ---------------------------------------------------------------- comparing one value with one of the policy's


def moment(text):
    """A date as policies write it: ISO 8601 or seconds since 1970."""
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return datetime.fromtimestamp(float(text), timezone.utc)
    parsed = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)


def _typed(convert, compare):
    """A value that cannot be read as the operator's type matches nothing."""

    def check(wanted, found):
        try:
            return compare(convert(found), convert(wanted))
        except ValueError:
            return False

    return check


def _in_network(wanted, found):
    try:
        return ip_address(found) in ip_network(wanted, strict=False)
    except ValueError:
        return False


@dataclass(frozen=True)
class Operator:
    kinds: tuple  # of keys that it makes sense for
    compare: object
    negated: bool = False
    wildcards: bool = False


def _family(prefix, kinds, convert):
    return {
        f"{prefix}Equals": Operator(kinds, _typed(convert, lambda a, b: a == b)),
        f"{prefix}NotEquals": Operator(kinds, _typed(convert, lambda a, b: a == b), negated=True),
        f"{prefix}LessThan": Operator(kinds, _typed(convert, lambda a, b: a < b)),
        f"{prefix}LessThanEquals": Operator(kinds, _typed(convert, lambda a, b: a <= b)),
        f"{prefix}GreaterThan": Operator(kinds, _typed(convert, lambda a, b: a > b)),
        f"{prefix}GreaterThanEquals": Operator(kinds, _typed(convert, lambda a, b: a >= b)),
    }


TEXT = ("string", "arn", "bool")


def _same(wanted, found):
    return wanted == found


def _same_ignoring_case(wanted, found):
    return wanted.lower() == found.lower()


OPERATORS = {
    "StringEquals": Operator(TEXT, _same),
    "StringNotEquals": Operator(TEXT, _same, negated=True),
    "StringEqualsIgnoreCase": Operator(TEXT, _same_ignoring_case),
    "StringNotEqualsIgnoreCase": Operator(TEXT, _same_ignoring_case, negated=True),
    "StringLike": Operator(TEXT, arn.like, wildcards=True),
    "StringNotLike": Operator(TEXT, arn.like, negated=True, wildcards=True),
    # ArnEquals and ArnLike behave alike.
    "ArnEquals": Operator(("arn", "string"), arn.arn_like, wildcards=True),
    "ArnLike": Operator(("arn", "string"), arn.arn_like, wildcards=True),
    "ArnNotEquals": Operator(("arn", "string"), arn.arn_like, negated=True, wildcards=True),
    "ArnNotLike": Operator(("arn", "string"), arn.arn_like, negated=True, wildcards=True),
    "Bool": Operator(("bool",), _same_ignoring_case),
    "IpAddress": Operator(("ip",), _in_network),
    "NotIpAddress": Operator(("ip",), _in_network, negated=True),
    **_family("Numeric", ("numeric",), float),
    **_family("Date", ("date",), moment),
}

ALL, ANY = "ForAllValues:", "ForAnyValue:"


# ---------------------------------------------------------------- policy variables

VARIABLE = re.compile(r"\$\{([^}]*)\}")
LITERALS = {"*": "*", "?": "?", "$": "$"}


def variables_in(text):
    """The keys that a text asks for by ${key} or ${key, 'default'}."""
    names = (found.split(",", 1)[0].strip() for found in VARIABLE.findall(text))
    return [name for name in names if name not in LITERALS]


def expand(text, context, mask=str):
    """The text with its variables filled in, or None where one has no value in this request."""
    missing = []

    def fill(match):
        name, _, default = match.group(1).partition(",")
        name = name.strip()
        if name in LITERALS:
            return mask(LITERALS[name])
        values = context.get(name.lower())
        if values:
            return mask(values[0])
        if default:
            return mask(default.strip().strip("'"))
        missing.append(name)
        return ""

    filled = VARIABLE.sub(fill, text)
    return None if missing else filled


# Stand for a literal * and ? that came out of a variable: there they are no wildcards.
_MASKS = {"*": "\ue000", "?": "\ue001"}


def mask_wildcards(text):
    return "".join(_MASKS.get(letter, letter) for letter in text)


# ---------------------------------------------------------------- one condition


@dataclass(frozen=True)
class Condition:
    quantifier: str  # "", ALL or ANY
    operator: str
    if_exists: bool
    key: str  # in lower case
    values: tuple

    @classmethod
    def parse(cls, operator, key, values):
        quantifier = next((prefix for prefix in (ALL, ANY) if operator.startswith(prefix)), "")
        base = operator[len(quantifier) :]
        if_exists = base.endswith("IfExists")
        base = base.removesuffix("IfExists")
        kind = key_type(key)
        if base == "Null":
            if if_exists or quantifier:
                raise Unknown(f"condition operator {operator}")
        elif base not in OPERATORS:
            raise Unknown(f"condition operator {operator}")
        else:
            cls._check_sense(operator, base, key, kind, quantifier)
        texts = tuple(str(v).lower() if isinstance(v, bool) else str(v) for v in values)
        for text in texts:
            for name in variables_in(text):
                key_type(name)
        return cls(quantifier, base, if_exists, key.lower(), texts)

    @staticmethod
    def _check_sense(operator, base, key, kind, quantifier):
        if kind.kind not in OPERATORS[base].kinds:
            raise Unknown(f"condition operator {operator} on the {kind.kind} key {key}")
        if kind.many and not quantifier:
            raise Unknown(
                f"condition operator {operator} on {key}, which has many values, without ForAnyValue or ForAllValues"
            )

    def holds(self, context):
        """`context` maps keys in lower case to lists of values; a missing key is not in it, or empty."""
        found = context.get(self.key) or []
        if self.operator == "Null":
            return any((wanted.lower() == "true") == (not found) for wanted in self.values)
        if not found:
            return self._holds_without_value()
        met = [self._meets(value, context) for value in found]
        if self.quantifier == ANY:
            return any(met)
        return all(met) if self.quantifier == ALL else met[0]

    def _holds_without_value(self):
        if self.if_exists or self.quantifier == ALL:
            return True
        return self.quantifier != ANY and OPERATORS[self.operator].negated

    def _meets(self, value, context):
        operator = OPERATORS[self.operator]
        matched = any(self._matches(operator, wanted, value, context) for wanted in self.values)
        return matched != operator.negated

    @staticmethod
    def _matches(operator, wanted, value, context):
        if "${" in wanted:
            wanted = expand(wanted, context, mask_wildcards if operator.wildcards else str)
            if wanted is None:
                return False
            if operator.wildcards:
                value = mask_like(wanted, value)
        return operator.compare(wanted, value)


def mask_like(wanted, value):
    """The value with its * and ? masked as in the pattern, where the pattern has masked ones."""
    return mask_wildcards(value) if any(mask in wanted for mask in _MASKS.values()) else value
