"""All attacks, by what they do."""

from . import on_bucket, on_copies, on_keys, on_metrics, on_objects, on_roles  # noqa: F401 they register themselves
from .attack import ATTACKS  # noqa: F401
