"""What this AWS keeps beside moto: accounts, sessions, settings, and whatever moto has no place for."""

import threading
from collections import defaultdict
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime, timedelta

from .clock import CLOCK


@dataclass
class Settings:
    """What tests may change while it runs; see POST /__control/settings."""

    # How often a new snapshot, instance or cluster is looked at before it is available.
    polls: int = 2
    # How the next copies of snapshots end, first come first served: "failed" or "stuck".
    next_copies: list = field(default_factory=list)
    snapshot_quota: int = 100
    instance_copies_at_once: int = 20
    cluster_copies_at_once: int = 5
    # AWS documents that snapshots under a default key cannot be shared; some callers saw only the copy fail.
    refuse_sharing_under_default_key: bool = True
    # New Aurora clusters for which no key is named are encrypted under a key of AWS's own (sse-rds).
    aurora_under_owned_key: bool = False
    # Where all instances and clusters are, {"address", "port"}; otherwise at names of RDS that lead nowhere.
    endpoint: dict | None = None
    # What aws:SecureTransport says; the server itself speaks HTTP only.
    secure_transport: bool = True
    # Sessions end after so many seconds, whatever was asked for.
    session_seconds: int | None = None
    # The account whose organization all are in; none where empty.
    management_account: str = ""
    # What is different for an account: its id to settings.
    accounts: dict = field(default_factory=dict)

    def change(self, values):
        """With `account`, for that account only."""
        values = dict(values)
        account = values.pop("account", None)
        if account and account not in self.accounts:
            self.accounts[account] = replace(self, next_copies=list(self.next_copies), accounts={})
        settings = self.accounts[account] if account else self
        known = {entry.name for entry in fields(self)} - {"accounts"}
        if not set(values) <= known:
            raise ValueError(f"unknown settings: {sorted(set(values) - known)}")
        for name, value in values.items():
            setattr(settings, name, value)

    def of(self, account):
        return self.accounts.get(account, self)

    def as_dict(self):
        return asdict(self)


@dataclass(frozen=True)
class Root:
    account: str
    secret: str


@dataclass(frozen=True)
class Session:
    """The temporary credentials of one AssumeRole."""

    access_key: str
    secret: str
    token: str
    account: str
    role_name: str
    role_id: str
    role_arn: str  # with the path
    name: str
    issued: datetime
    expires: datetime
    policies: tuple = ()  # texts of session policies
    tags: tuple = ()  # pairs
    source_identity: str = ""

    @property
    def arn(self):
        return f"arn:aws:sts::{self.account}:assumed-role/{self.role_name}/{self.name}"


class State:
    def __init__(self):
        # Held while a call is judged and done, so that what was checked is still so when it is done.
        self.lock = threading.RLock()
        # Where this very server is.
        self.url = ""
        self.clear()

    def clear(self):
        self.settings = Settings()
        self.accounts = {}  # id to name
        self.roots = {}  # access key to Root
        self.sessions = {}  # access key to Session
        self.uploads = {}  # multipart upload to the lock that was asked for
        self.metrics = []  # data points that were put
        self.unknown = []  # what was asked for and is not known
        self.stacks = defaultdict(dict)  # account and region to stack name to what a template made
        CLOCK.offset = CLOCK.skew = timedelta()

    def end_sessions(self):
        """From now on all credentials given out are expired, whatever their holders believe."""
        ended = CLOCK.now() - timedelta(seconds=1)
        self.sessions = {key: _ended(session, ended) for key, session in self.sessions.items()}


def _ended(session, moment):
    return Session(**{**session.__dict__, "expires": min(session.expires, moment)})


STATE = State()
