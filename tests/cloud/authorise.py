"""Decides whether a principal may do an action on a resource, as IAM's evaluation logic documents.

An explicit Deny anywhere wins. Within one account an Allow of either side is enough, except that keys and
roles must allow it themselves; across accounts both sides must. Boundaries and session policies narrow.
"""

from dataclasses import dataclass, field

from . import policy

ROOT, USER, SESSION, ANONYMOUS, SERVICE = "root", "user", "session", "anonymous", "service"
BUCKET, KEY, TRUST = "bucket policy", "key policy", "trust policy"

# How closely a resource's policy names the caller.
ITSELF, ROLE, EVERYONE, ACCOUNT = "itself", "role", "everyone", "account"

# What the owner's root may always do, so that no policy locks its bucket for ever.
ROOT_MAY_ALWAYS = {"s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"}


@dataclass(frozen=True)
class Principal:
    """A caller. `arn` is its own name; a session's `role_arn` is its role's, with the path."""

    kind: str
    account: str = ""
    arn: str = ""
    role_arn: str = ""
    user_id: str = ""
    identity: tuple = ()
    boundary: policy.Policy | None = None
    session: tuple = ()
    context: dict = field(default_factory=dict, compare=False)

    @property
    def account_arn(self):
        return f"arn:aws:iam::{self.account}:root"


def service(name, source_account="", source_arn=""):
    """An AWS service that acts for a resource of an account."""
    context = {
        "aws:principaltype": ["Service"],
        "aws:principalisawsservice": ["true"],
        "aws:principalservicename": [name],
        "aws:sourceaccount": [source_account] if source_account else [],
        "aws:sourcearn": [source_arn] if source_arn else [],
    }
    return Principal(SERVICE, arn=name, context=context)


NOBODY = Principal(
    ANONYMOUS, arn="anonymous", context={"aws:principaltype": ["Anonymous"], "aws:principalaccount": ["anonymous"]}
)


@dataclass(frozen=True)
class Ask:
    """One action on one resource. `granted`: a KMS grant allows it."""

    action: str
    resource: str
    account: str  # that owns the resource
    context: dict = field(default_factory=dict, compare=False)
    guard: policy.Policy | None = None
    guard_kind: str = ""
    granted: bool = False


@dataclass(frozen=True)
class Decision:
    allowed: bool
    reason: str

    def __bool__(self):
        return self.allowed


def decide(principal, ask):
    context = {**ask.context, **principal.context}
    denial = _explicit_deny(principal, ask, context)
    if denial:
        return Decision(False, denial)
    identity = _identity_allows(principal, ask, context)
    guard = _guard_level(principal, ask, context)
    if principal.kind == ANONYMOUS:
        return Decision(guard == EVERYONE, "anonymous callers need a policy for everyone")
    if principal.kind == SERVICE:
        return Decision(guard in (ITSELF, EVERYONE), f"the {ask.guard_kind} decides about services alone")
    if principal.account != ask.account:
        return _across_accounts(ask, identity, guard)
    return _within_account(principal, ask, context, identity, guard)


# ---------------------------------------------------------------- explicit deny


def _explicit_deny(principal, ask, context):
    if ask.guard and not _root_exempt(principal, ask):
        for statement in ask.guard.statements:
            if (
                not statement.allow
                and _denies(statement, principal)
                and statement.applies(ask.action, ask.resource, context)
            ):
                return f"explicit deny in the {ask.guard_kind} {statement.sid}".rstrip()
    boundary = (principal.boundary,) if principal.boundary else ()
    for source in principal.identity + boundary + principal.session:
        for statement in source.statements:
            if not statement.allow and statement.applies(ask.action, ask.resource, context):
                return f"explicit deny in {source.name} {statement.sid}".rstrip()
    return ""


def _root_exempt(principal, ask):
    owner = principal.kind == ROOT and principal.account == ask.account
    return owner and ask.guard_kind == BUCKET and ask.action in ROOT_MAY_ALWAYS


def _names(principal):
    """All that a Deny may call the caller."""
    return {name for name in (principal.arn, principal.role_arn, principal.account and principal.account_arn) if name}


def _denies(statement, principal):
    if statement.not_principals:
        # Each of account, role and session must be spared, and nothing spares a caller with a boundary.
        spared = {name for _, name in statement.not_principals}
        return principal.boundary is not None or not _names(principal) <= spared
    listed = {name for _, name in statement.principals}
    return "*" in listed or bool(listed & _names(principal))


# ---------------------------------------------------------------- allow


def _allows(policies, ask, context):
    return any(
        statement.allow and statement.applies(ask.action, ask.resource, context)
        for source in policies
        for statement in source.statements
    )


def _narrowed(principal, ask, context):
    """Boundary and session policies let it pass."""
    if principal.boundary and not _allows((principal.boundary,), ask, context):
        return False
    return not principal.session or _allows(principal.session, ask, context)


def _identity_allows(principal, ask, context):
    if principal.kind == ROOT:
        return True
    return _allows(principal.identity, ask, context) and _narrowed(principal, ask, context)


def _guard_level(principal, ask, context):
    """The closest way in which the resource's policy allows it to the caller, or None."""
    levels = set()
    for statement in ask.guard.statements if ask.guard else ():
        if statement.allow and statement.applies(ask.action, ask.resource, context):
            levels |= {_level(name, principal) for _, name in statement.principals}
    return next((level for level in (ITSELF, ROLE, EVERYONE, ACCOUNT) if level in levels), None)


def _level(name, principal):
    if name == "*":
        return EVERYONE
    if name == principal.arn:
        return ITSELF
    if principal.role_arn and name == principal.role_arn:
        return ROLE
    return ACCOUNT if principal.account and name == principal.account_arn else None


def _across_accounts(ask, identity, guard):
    if not identity:
        return Decision(False, "no identity policy of the caller allows it")
    if guard or ask.granted:
        return Decision(True, "allowed on both sides")
    what = f"the {ask.guard_kind}" if ask.guard_kind else "no policy of the resource, it is another account's,"
    return Decision(False, f"{what} does not allow it")


def _within_account(principal, ask, context, identity, guard):
    # A session or user that is named itself is not narrowed by boundary or session policy, a role is.
    direct = guard == ITSELF or (guard in (ROLE, EVERYONE) and _narrowed(principal, ask, context))
    if ask.guard_kind in (KEY, TRUST):
        if ask.guard_kind == TRUST and principal.kind == ROOT:
            return Decision(False, "an account's root cannot assume roles")
        granted = ask.granted and _narrowed(principal, ask, context)
        if direct or granted or (guard == ACCOUNT and identity):
            return Decision(True, f"allowed by the {ask.guard_kind}")
        side = "no identity policy of the caller" if guard else f"the {ask.guard_kind} does not"
        return Decision(False, f"{side} allows it" if guard else f"{side} allow it")
    if identity or direct:
        return Decision(True, "allowed")
    return Decision(False, "no identity policy of the caller allows it")
