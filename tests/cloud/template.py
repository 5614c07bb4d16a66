"""Reads CloudFormation templates: parameters, conditions, intrinsic functions. What it does not know fails."""

import re

import yaml

SECTIONS = {"AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Mappings", "Conditions", "Rules", "Resources", "Outputs"}  # fmt: skip
RESOURCE_KEYS = {"Type", "Properties", "DeletionPolicy", "UpdateReplacePolicy", "DependsOn", "Condition", "Metadata"}
PARAMETER_KEYS = {"Type", "Description", "Default", "AllowedPattern", "AllowedValues", "MinValue", "MaxValue", "MinLength", "MaxLength", "NoEcho", "ConstraintDescription"}  # fmt: skip
NO_VALUE = object()


class TemplateError(Exception):
    pass


# ---------------------------------------------------------------- YAML


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """Dates stay text, as in CloudFormation's JSON."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def _short_form(loader, suffix, node):
    """!Ref x is {Ref: x}, !GetAtt a.b is {Fn::GetAtt: [a, b]}, !Sub x is {Fn::Sub: x}."""
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _short_form)


def parse(text):
    """The template as plain data, its sections checked."""
    document = yaml.load(text, _Loader)  # noqa: S506 a SafeLoader
    _check_keys(document, SECTIONS, "template")
    for name, resource in document.get("Resources", {}).items():
        _check_keys(resource, RESOURCE_KEYS, f"resource {name}")
    for name, parameter in document.get("Parameters", {}).items():
        _check_keys(parameter, PARAMETER_KEYS, f"parameter {name}")
    return document


def _check_keys(entry, known, where):
    if not set(entry) <= known:
        raise TemplateError(f"{where}: unknown {sorted(set(entry) - known)}")


# ---------------------------------------------------------------- parameters


def parameters(document, given):
    declared = document.get("Parameters", {})
    if not set(given) <= set(declared):
        raise TemplateError(f"unknown parameters {sorted(set(given) - set(declared))}")
    return {name: _parameter(name, entry, given) for name, entry in declared.items()}


def _parameter(name, entry, given):
    if name not in given and "Default" not in entry:
        raise TemplateError(f"parameter {name} has no value")
    value = given.get(name, entry.get("Default"))
    if entry["Type"].startswith(("List<", "CommaDelimitedList")):
        return value if isinstance(value, list) else str(value).split(",")
    value = str(value)
    if "AllowedPattern" in entry and not re.fullmatch(entry["AllowedPattern"], value):
        raise TemplateError(f"parameter {name}: {value} does not match {entry['AllowedPattern']}")
    if "AllowedValues" in entry and value not in [str(allowed) for allowed in entry["AllowedValues"]]:
        raise TemplateError(f"parameter {name}: {value} is none of {entry['AllowedValues']}")
    if entry["Type"] == "Number":
        number = float(value)
        if not float(entry.get("MinValue", number)) <= number <= float(entry.get("MaxValue", number)):
            raise TemplateError(f"parameter {name}: {value} is out of bounds")
    if not int(entry.get("MinLength", 0)) <= len(value) <= int(entry.get("MaxLength", len(value))):
        raise TemplateError(f"parameter {name}: {value} has the wrong length")
    return value


# ---------------------------------------------------------------- intrinsic functions


class Evaluator:
    """Fills in functions. `references` and `attributes` look resources up, and are called when they are made."""

    def __init__(self, document, values, pseudo, reference, attribute):
        self.document, self.values, self.pseudo = document, values, pseudo
        self.reference, self.attribute = reference, attribute

    def fill(self, value):
        if isinstance(value, list):
            return [item for item in map(self.fill, value) if item is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            name, argument = next(iter(value.items()))
            if name == "Ref":
                return self.ref(argument)
            if name == "Condition" and isinstance(argument, str):
                return self.holds(argument)
            if name.startswith("Fn::"):
                return self._call(name, argument)
        filled = {key: self.fill(item) for key, item in value.items()}
        return {key: item for key, item in filled.items() if item is not NO_VALUE}

    def _call(self, name, argument):
        function = FUNCTIONS.get(name)
        if not function:
            raise TemplateError(f"unknown function {name}")
        return function(self, argument)

    def ref(self, name):
        if name == "AWS::NoValue":
            return NO_VALUE
        if name in self.pseudo:
            return self.pseudo[name]
        if name in self.values:
            return self.values[name]
        if name in self.document.get("Resources", {}):
            return self.reference(name)
        raise TemplateError(f"Ref of unknown {name}")

    def holds(self, name):
        conditions = self.document.get("Conditions", {})
        if name not in conditions:
            raise TemplateError(f"unknown condition {name}")
        return self.fill(conditions[name])

    # ------------------------------------------------------------ functions

    def get_att(self, argument):
        name, attribute = argument if isinstance(argument, list) else argument.split(".", 1)
        if name not in self.document.get("Resources", {}):
            raise TemplateError(f"GetAtt of unknown {name}")
        return self.attribute(name, attribute)

    def sub(self, argument):
        text, own = (argument, {}) if isinstance(argument, str) else argument

        def one(match):
            name = match.group(1)
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            if name in own:
                return str(self.fill(own[name]))
            return str(self.get_att(name.split(".", 1)) if "." in name else self.ref(name))

        return re.sub(r"\$\{([^}]+)\}", one, text)

    def find_in_map(self, argument):
        name, first, second = self.fill(argument)
        try:
            return self.document["Mappings"][name][str(first)][str(second)]
        except KeyError as error:
            raise TemplateError(f"FindInMap {name}: no {error}") from None

    def choose(self, argument):
        condition, yes, no = argument
        return self.fill(yes if self.holds(condition) else no)

    def equals(self, argument):
        first, second = self.fill(argument)
        return str(first) == str(second)

    def negate(self, argument):
        (condition,) = self.fill(argument)
        return not condition

    def join(self, argument):
        separator, items = argument
        return separator.join(str(item) for item in self.fill(items))

    def select(self, argument):
        index, items = self.fill(argument)
        return items[int(index)]

    def split(self, argument):
        separator, text = self.fill(argument)
        return text.split(separator)


FUNCTIONS = {
    "Fn::And": lambda evaluator, argument: all(evaluator.fill(argument)),
    "Fn::Equals": Evaluator.equals,
    "Fn::FindInMap": Evaluator.find_in_map,
    "Fn::GetAtt": Evaluator.get_att,
    "Fn::If": Evaluator.choose,
    "Fn::Join": Evaluator.join,
    "Fn::Not": Evaluator.negate,
    "Fn::Or": lambda evaluator, argument: any(evaluator.fill(argument)),
    "Fn::Select": Evaluator.select,
    "Fn::Split": Evaluator.split,
    "Fn::Sub": Evaluator.sub,
}


def check_rules(document, evaluator):
    """The template's assertions about its parameters."""
    for name, rule in document.get("Rules", {}).items():
        _check_keys(rule, {"RuleCondition", "Assertions"}, f"rule {name}")
        if "RuleCondition" in rule and not evaluator.fill(rule["RuleCondition"]):
            continue
        for assertion in rule["Assertions"]:
            if not evaluator.fill(assertion["Assert"]):
                raise TemplateError(f"rule {name}: {assertion.get('AssertDescription', 'does not hold')}")


# ---------------------------------------------------------------- order


def needs(resource):
    """The names that a resource's definition mentions, resources or not."""
    found = set()

    def walk(value):
        if isinstance(value, list):
            for item in value:
                walk(item)
        elif isinstance(value, dict):
            for key, item in value.items():
                if key == "Ref":
                    found.add(item)
                elif key == "Fn::GetAtt":
                    found.add(item[0] if isinstance(item, list) else item.split(".")[0])
                elif key == "Fn::Sub":
                    text = item if isinstance(item, str) else item[0]
                    found.update(name.split(".")[0] for name in re.findall(r"\$\{([^}!]+)\}", text))
                walk(item)

    walk(resource.get("Properties", {}))
    explicit = resource.get("DependsOn", [])
    return found | set([explicit] if isinstance(explicit, str) else explicit)


def in_order(resources):
    """Names such that each comes after those that it needs."""
    found = []

    def visit(name, above):
        if name in above:
            raise TemplateError(f"circular dependency of {' and '.join((*above, name))}")
        if name not in found:
            for need in sorted(needs(resources[name]) & set(resources)):
                visit(need, (*above, name))
            found.append(name)

    for name in resources:
        visit(name, ())
    return found


# ---------------------------------------------------------------- parts, for tests that take one out


def parts(document):
    """What can be taken out: `Resource/Property`; of its policies each statement, `Resource/Sid`, and each operator
    of a statement's condition, `Resource/Sid/Operator`."""
    return sorted(
        f"{name}/{part}"
        for name, resource in document["Resources"].items()
        for part in [*resource.get("Properties", {}), *_parts_of_policies(resource)]
    )


def _parts_of_policies(resource):
    for statement in statements(resource):
        yield statement["Sid"]
        yield from (f"{statement['Sid']}/{operator}" for operator in statement.get("Condition", {}))


def remove(document, part):
    name, _, what = part.partition("/")
    what, _, operator = what.partition("/")
    resource = document["Resources"].get(name, {})
    if what in resource.get("Properties", {}) and not operator:
        del resource["Properties"][what]
        return
    for listed in statement_lists(resource):
        for statement in listed:
            if not isinstance(statement, dict) or statement.get("Sid") != what:
                continue
            if not operator:
                listed.remove(statement)
                return
            if operator in statement.get("Condition", {}):
                del statement["Condition"][operator]
                return
    raise TemplateError(f"no part {part} in the template")


def statement_lists(value):
    if isinstance(value, list):
        for item in value:
            yield from statement_lists(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "Statement" and isinstance(item, list):
                yield item
            yield from statement_lists(item)


def statements(resource):
    """Those with a name of all policies of a resource."""
    for listed in statement_lists(resource):
        yield from (statement for statement in listed if isinstance(statement, dict) and "Sid" in statement)
