"""Who calls: access keys to principals with all their policies, as moto's IAM holds them."""

from . import clock, moto_parts, policy
from .authorise import ROOT, SESSION, USER, Principal
from .errors import AwsError
from .state import STATE


def secret_and_principal(signed):
    """Whose key signed. The token is checked here, the signature by the caller."""
    key = signed.access_key
    if key in STATE.roots:
        root = STATE.roots[key]
        return root.secret, root_principal(root.account)
    if key in STATE.sessions:
        return _of_session(STATE.sessions[key], signed.token)
    for account in STATE.accounts:
        user, access_key = _user_with(account, key)
        if user:
            if access_key.status != "Active":
                break
            return access_key.secret_access_key, user_principal(account, user)
    raise AwsError("InvalidClientTokenId", "The security token included in the request is invalid.")


def _user_with(account, key):
    for user in moto_parts.iam(account).users.values():
        for access_key in user.access_keys:
            if access_key.access_key_id == key:
                return user, access_key
    return None, None


def _of_session(session, token):
    if token != session.token:
        raise AwsError("InvalidToken", "The security token included in the request is invalid.")
    if clock.now() >= session.expires:
        raise AwsError("ExpiredToken", "The security token included in the request is expired")
    return session.secret, session_principal(session)


# ---------------------------------------------------------------- principals


def _context(kind, account, arn, user_id, tags):
    found = {
        "aws:principaltype": [kind],
        "aws:principalaccount": [account],
        "aws:principalarn": [arn],
        "aws:principalisawsservice": ["false"],
        "aws:userid": [user_id],
    }
    return found | {f"aws:principaltag/{key.lower()}": [value] for key, value in tags}


def root_principal(account):
    arn = f"arn:aws:iam::{account}:root"
    return Principal(ROOT, account, arn, user_id=account, context=_context("Account", account, arn, account, ()))


def user_principal(account, user):
    tags = [(tag["Key"], tag["Value"]) for tag in user.tags or []]
    context = _context("User", account, user.arn, user.id, tags) | {"aws:username": [user.name]}
    holders = [user, *moto_parts.iam(account).get_groups_for_user(user.name)]
    identity = tuple(found for holder in holders for found in _policies(holder))
    return Principal(USER, account, user.arn, user_id=user.id, identity=identity, context=context)


def session_principal(session):
    # By id: a role of the same name that was made later is another one.
    role = moto_parts.iam(session.account).roles.get(session.role_id)
    user_id = f"{session.role_id}:{session.name}"
    tags = [(tag["Key"], tag["Value"]) for tag in role.tags or []] if role else []
    context = _context("AssumedRole", session.account, session.role_arn, user_id, tags + list(session.tags))
    context |= {"aws:tokenissuetime": [clock.iso(session.issued)], "aws:multifactorauthpresent": ["false"]}
    if session.source_identity:
        context["aws:sourceidentity"] = [session.source_identity]
    return Principal(
        SESSION,
        session.account,
        session.arn,
        role_arn=session.role_arn,
        user_id=user_id,
        identity=tuple(_policies(role)) if role else (),
        boundary=_boundary(session.account, role.permissions_boundary_arn) if role else None,
        session=tuple(policy.parse(text, policy.IDENTITY, "session policy") for text in session.policies),
        context=context,
    )


def _policies(holder):
    for name, text in holder.policies.items():
        yield policy.parse(text, policy.IDENTITY, f"identity policy {name}")
    for managed in holder.managed_policies.values():
        yield _managed(managed)


def _managed(managed):
    text = next(version.document for version in managed.versions if version.version_id == managed.default_version_id)
    return policy.parse(text, policy.IDENTITY, f"identity policy {managed.name}")


def _boundary(account, arn):
    if not arn:
        return None
    found = moto_parts.iam(account).managed_policies.get(arn)
    # A boundary whose policy is gone allows nothing.
    return _managed(found) if found else policy.Policy("boundary", ())


# ---------------------------------------------------------------- principals that policies name


def check_principals(parsed):
    """AWS refuses a resource's policy that names a user or role which does not exist."""
    for statement in parsed.statements:
        for kind, name in statement.principals + statement.not_principals:
            if kind == "AWS" and not _exists(name):
                raise policy.Malformed(f"Invalid principal in policy: {name}")


def _exists(name):
    account, thing = name.split(":")[4], name.split(":", 5)[5]
    if account not in STATE.accounts:
        return False
    backend = moto_parts.iam(account)
    things = {"user": backend.users.values(), "role": backend.roles.values()}.get(thing.partition("/")[0])
    return things is None or any(entry.arn == name for entry in things)
