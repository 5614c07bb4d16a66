"""What an attack is: a call, who tries it, and how it must be refused."""

from dataclasses import dataclass, field
from typing import Callable

from botocore.exceptions import ClientError

# `owned` changes the role of `nightly`, and so comes after it.
OUTSIDE = ("exporter", "snapshot", "nightly", "production", "owned", "stranger")
INSIDE = ("prove", "expire", "restore", "break-glass", "administrator")
EVERYBODY = OUTSIDE + INSIDE
# Masters of an account of their own: what is named by its name only is looked for there.
MASTERS = ("production", "owned", "stranger")

REFUSED = {
    "s3": "AccessDenied",
    "kms": "AccessDeniedException",
    "rds": "AccessDenied",
    "iam": "AccessDenied",
    "sts": "AccessDenied",
    "cloudwatch": "AccessDenied",
}


@dataclass
class Attack:
    """It succeeds by returning."""

    service: str
    what: str
    run: Callable
    by: tuple
    # Refusals of another kind: who, and the code.
    codes: dict = field(default_factory=dict)

    def refusal(self, who):
        return self.codes.get(who, REFUSED[self.service])

    def outcome(self, accounts, who):
        """The code that it ends with, or an empty text where it succeeds."""
        try:
            self.run(accounts, who)
        except ClientError as error:
            return error.response["Error"]["Code"]
        return ""


ATTACKS = {}


def attack(service, what, but=(), by=EVERYBODY, codes=None):
    """Takes a function of the accounts and of who tries it. `but` are those to whom it is allowed, or whom it gives
    nothing; why, stands beside each."""

    def take(run):
        assert what not in ATTACKS, what
        ATTACKS[what] = Attack(service, what, run, tuple(who for who in by if who not in but), codes or {})
        return run

    return take


def answered(code, *who):
    """For `codes`."""
    return dict.fromkeys(who, code)


def refused(code):
    """For refusals that do not come as an error of boto3's."""
    return ClientError({"Error": {"Code": code, "Message": ""}}, "")
