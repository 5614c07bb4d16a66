"""Applies a template to an account by the calls that CloudFormation would make, and reads every property back."""

import secrets
import string
from dataclasses import dataclass, field

from . import security_groups, template
from .state import STATE
from .template import TemplateError
from .template_types import RECORDED_NOT_ENFORCED, TYPES


@dataclass
class Made:
    """One resource of a stack as it was last applied."""

    type: str
    identifier: str
    properties: dict
    reference: str
    attributes: dict = field(default_factory=dict)


class _Blank(dict):
    """For names in RECORDED_NOT_ENFORCED that the template leaves to AWS."""

    def __missing__(self, key):
        return self["id"]


class Stack:
    """`change` makes clients that change things, `read` ones that read them back: functions of a service's name."""

    def __init__(self, name, account, region, made=None):
        self.name, self.account, self.region = name, account, region
        self.made = made or {}
        self.outputs = {}
        # As CloudFormation tells them.
        self.id = f"arn:aws:cloudformation:{region}:{account}:stack/{name}/1"
        self.document, self.status, self.reason = None, "CREATE_COMPLETE", ""
        self.at = ""  # the resource that is being made or deleted

    def apply(self, document, given, change, read, read_back=True):
        values = template.parameters(document, given)
        evaluator = template.Evaluator(document, values, self._pseudo(), self._reference, self._attribute)
        template.check_rules(document, evaluator)
        resources = document["Resources"]
        wanted = {
            name
            for name, resource in resources.items()
            if "Condition" not in resource or evaluator.holds(resource["Condition"])
        }
        self._check_removed(resources, wanted)
        for name in template.in_order(resources):
            if name in wanted:
                properties = evaluator.fill(resources[name].get("Properties", {}))
                self._apply_one(name, resources[name]["Type"], properties, change, read, read_back)
        outputs = document.get("Outputs", {})
        self.outputs = {
            name: evaluator.fill(output["Value"])
            for name, output in outputs.items()
            if "Condition" not in output or evaluator.holds(output["Condition"])
        }
        return self.outputs

    def delete(self, change):
        """The last made first; what is retained only leaves the stack."""
        for name, made in reversed(list(self.made.items())):
            self.at = name
            retained = self.document["Resources"][name].get("DeletionPolicy") == "Retain"
            if not retained and made.type not in RECORDED_NOT_ENFORCED:
                handler = TYPES[made.type]
                handler.delete(change(handler.service), made.identifier, made.properties)
            del self.made[name]

    def _pseudo(self):
        return {
            "AWS::AccountId": self.account,
            "AWS::Partition": "aws",
            "AWS::Region": self.region,
            "AWS::StackId": self.id,
            "AWS::StackName": self.name,
            "AWS::URLSuffix": "amazonaws.com",
        }

    def _check_removed(self, resources, wanted):
        """All is retained, so that what the template leaves out only leaves the stack."""
        for name in set(self.made) - wanted:
            policy = resources[name].get("DeletionPolicy") if name in resources else "Retain"
            if policy != "Retain":
                raise TemplateError(f"{name}: only resources that are retained can leave a stack here")
            del self.made[name]

    def _reference(self, name):
        if name not in self.made:
            raise TemplateError(f"{name} is used before it is made, or under a condition that does not hold")
        return self.made[name].reference

    def _attribute(self, name, attribute):
        self._reference(name)
        found = self.made[name].attributes
        if attribute not in found:
            raise TemplateError(f"{name}: unknown attribute {attribute} of {self.made[name].type}")
        return found[attribute]

    # ------------------------------------------------------------ one resource

    def _apply_one(self, name, kind, properties, change, read, read_back):
        self.at = name
        if kind in RECORDED_NOT_ENFORCED:
            self._record(name, kind, properties)
            return
        if kind not in TYPES:
            raise TemplateError(f"{name}: unknown type {kind}")
        handler = TYPES[kind]
        if not set(properties) <= handler.known():
            raise TemplateError(f"{name}: unknown properties {sorted(set(properties) - handler.known())} of {kind}")
        client = change(handler.service)
        try:
            if name in self.made:
                self._update(name, handler, properties, client)
            else:
                self._create(name, kind, handler, properties, client)
        except ValueError as error:
            raise TemplateError(f"{name}: {error}") from error
        made = self.made[name]
        reader = read(handler.service)
        made.attributes = handler.attributes(reader, made.identifier)
        if read_back:
            self._check_read_back(name, handler, properties, reader)
        made.properties = properties

    def _create(self, name, kind, handler, properties, client):
        identifier = handler.create(client, properties)
        self.made[name] = Made(kind, identifier, properties, handler.reference(client, identifier))
        for key, writer in handler.writers.items():
            if key in properties and key not in getattr(handler, "at_creation", ()):
                writer(client, identifier, properties[key])

    def _update(self, name, handler, properties, client):
        made = self.made[name]
        for key in sorted(set(made.properties) | set(properties)):
            if made.properties.get(key) == properties.get(key):
                continue
            if key in handler.not_told:
                continue
            if key in handler.fixed or key not in properties:
                raise TemplateError(
                    f"{name}: {key} cannot be changed from {made.properties.get(key)} to {properties.get(key)} here"
                )
            handler.writers[key](client, made.identifier, properties[key])

    def _check_read_back(self, name, handler, properties, reader):
        for key, wanted in properties.items():
            if key in handler.not_told:
                continue
            found = handler.readers[key](reader, self.made[name].identifier, wanted)
            if _plain(found) != _plain(wanted):
                raise TemplateError(f"{name}: {key} was to be {wanted} and reads back as {found}")

    def _record(self, name, kind, properties):
        reference, attributes = RECORDED_NOT_ENFORCED[kind]
        known = self.made[name].identifier if name in self.made else self._identify(name, kind, properties)
        if kind in (security_groups.GROUP, security_groups.RULE):
            self._let_out(name, kind, properties, properties.get("GroupId", known))
        texts = {key: value for key, value in properties.items() if isinstance(value, str)}
        names = _Blank(texts | {"id": known, "account": self.account, "region": self.region})
        filled = {key: pattern.format_map(names) for key, pattern in attributes.items()}
        self.made[name] = Made(kind, known, properties, reference.format_map(names), filled)

    def _identify(self, name, kind, properties):
        """A name made up, unless it is of what can be asked for afterwards."""
        if kind != security_groups.GROUP:
            return "".join(secrets.choice(string.hexdigits.lower()) for _ in range(17))
        with STATE.lock:
            own_name = properties.get("GroupName", f"{self.name}-{name}")
            return security_groups.make(self.account, self.region, [], properties.get("VpcId"), own_name)

    def _let_out(self, name, kind, properties, group):
        egress = security_groups.egress_of(kind, properties)
        with STATE.lock:
            security_groups.let_out(self.account, self.region, group, egress, owner=f"{self.name}/{name}")


def _plain(value):
    """Numbers as texts, as templates write either; objects and lists in themselves."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if isinstance(value, bool) or value is None else str(value)
