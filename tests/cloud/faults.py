"""Faults on demand, and the log of all calls.

A rule names the calls that it strikes by operation, account, caller and number, and what happens to them:

    error     an error answer: code, message, status; `when` before (nothing happened) or after (it did)
    reset     the connection breaks; before: the call never arrived, after: its reply is lost
    hang      no answer until released, or for `seconds`; before or after the effect
    truncate  only `bytes` of the answer's body arrive, then the connection breaks
    corrupt   one byte of the answer's body is another
"""

import threading
from dataclasses import asdict, dataclass, field, fields
from fnmatch import fnmatchcase

BEFORE, AFTER = "before", "after"
KINDS = ("error", "reset", "hang", "truncate", "corrupt")


@dataclass
class Rule:
    kind: str
    when: str = BEFORE
    operation: str = "*"  # such as rds:CopyDBSnapshot, rds:*, *
    account: str = "*"
    principal: str = "*"  # ARN
    resource: str = "*"  # bucket/key of S3, or what the call was asked to be allowed on
    call: int | None = None  # the number in the log
    skip: int = 0  # so many matching calls go unharmed first
    times: int | None = 1  # None: from then on always
    code: str = "InternalError"
    message: str = "injected"
    status: int | None = None
    seconds: float = 3600
    bytes: int = 0
    # Not to be set: how it stands.
    id: int = 0
    struck: int = 0

    def matches(self, entry):
        return (
            fnmatchcase(entry.operation, self.operation)
            and fnmatchcase(entry.account, self.account)
            and fnmatchcase(entry.principal, self.principal)
            and (self.resource == "*" or any(fnmatchcase(name, self.resource) for name in entry.resources))
            and self.call in (None, entry.number)
        )


@dataclass
class Entry:
    """One call in the log."""

    number: int
    operation: str = "?"
    account: str = ""
    principal: str = ""
    access_key: str = ""
    resources: list = field(default_factory=list)
    asked: list = field(default_factory=list)
    status: int | None = None
    code: str = ""
    fault: str = ""


class Faults:
    def __init__(self):
        self.changed = threading.Condition()
        self.generation = 0
        self.held = []
        self.clear()

    def clear(self):
        """Calls that hang are dropped: they belong to a world that is gone."""
        with self.changed:
            self.rules, self.log, self.next_rule = [], [], 1
            self._release()
            self.cleared = self.generation

    def clear_log(self):
        with self.changed:
            self.log = []

    def _release(self):
        self.generation += 1
        self.held = []
        self.changed.notify_all()

    def release(self):
        """Calls that hang go on."""
        with self.changed:
            self._release()

    # ------------------------------------------------------------ rules

    def add(self, values):
        settable = {entry.name for entry in fields(Rule)} - {"id", "struck"}
        if not set(values) <= settable:
            raise ValueError(f"unknown in a fault: {sorted(set(values) - settable)}")
        rule = Rule(**values)
        if rule.kind not in KINDS or rule.when not in (BEFORE, AFTER):
            raise ValueError(f"a fault is one of {KINDS}, before or after")
        with self.changed:
            rule.id, self.next_rule = self.next_rule, self.next_rule + 1
            self.rules.append(rule)
        return rule.id

    def remove(self, number=None):
        """Calls that hang by a rule go on when it is gone."""
        with self.changed:
            self.rules = [rule for rule in self.rules if number not in (None, rule.id)]
            self.changed.notify_all()

    def as_list(self):
        return [asdict(rule) for rule in self.rules]

    # ------------------------------------------------------------ calls

    def begin(self):
        with self.changed:
            entry = Entry(len(self.log) + 1)
            self.log.append(entry)
        return entry

    def strikes(self, entry):
        """The rule that strikes this call, or None; it counts."""
        with self.changed:
            for rule in self.rules:
                if not rule.matches(entry):
                    continue
                if rule.skip:
                    rule.skip -= 1
                elif rule.times is None or rule.struck < rule.times:
                    rule.struck += 1
                    entry.fault = f"{rule.kind} {rule.when}"
                    return rule
        return None

    def hang(self, rule, entry):
        """Whether the call goes on afterwards."""
        with self.changed:
            generation = self.generation
            held = (entry.number, rule.id)
            self.held.append(held)
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.generation != generation or rule not in self.rules, rule.seconds)
            if held in self.held:
                self.held.remove(held)
            return self.cleared <= generation

    def wait_for_held(self, seconds, rule=None):
        """The numbers of the calls that hang, or hang by one rule, as soon as one does."""
        with self.changed:
            self.changed.wait_for(lambda: self._held_by(rule), seconds)
            return self._held_by(rule)

    def _held_by(self, rule):
        return [number for number, held_by in self.held if rule in (None, held_by)]


FAULTS = Faults()
