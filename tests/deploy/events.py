"""EventBridge's patterns, as far as alarms.yaml uses them. An operator it does not know is an error."""

from iam import like, listed


def matches(pattern, event):
    """Every field of the pattern, and one of its $or, holds."""
    return all(
        any(matches(one, event) for one in wanted) if field == "$or" else field_matches(wanted, event, field)
        for field, wanted in pattern.items()
    )


def field_matches(wanted, event, field):
    had = event.get(field) if isinstance(event, dict) else None
    if isinstance(wanted, dict):
        # Below a field that is missing everything is missing.
        return matches(wanted, had if isinstance(had, dict) else {})
    # A list in the event matches if one of its values does.
    return any(leaf_matches(one, value) for one in wanted for value in (listed(had) if had is not None else [None]))


def leaf_matches(wanted, value):
    if not isinstance(wanted, dict):
        return value is not None and wanted == value
    (operator, operand), = wanted.items()
    if operator == "exists":
        # What false means below a field that is missing is written nowhere.
        assert operand is True
    if value is None:
        return False
    match operator:
        case "exists":
            return True
        case "prefix":
            return str(value).startswith(operand)
        case "suffix":
            return str(value).endswith(operand)
        case "wildcard":
            return like(operand, str(value))
        case "anything-but":
            return value not in listed(operand)
    raise NotImplementedError(operator)
