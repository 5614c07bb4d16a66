"""The call that RDS works on: moto's store does not hand it down. Calls are done one at a time."""

from contextlib import contextmanager


class Current:
    def __init__(self):
        self.call = None
        self.is_key_checked = False

    def is_(self, operation):
        return self.call is not None and self.call.operation == operation

    @contextmanager
    def of(self, call):
        self.call = call
        try:
            yield
        finally:
            self.call = None

    @contextmanager
    def key_checked(self):
        """Within it the key of new storage is settled already."""
        self.is_key_checked = True
        try:
            yield
        finally:
            self.is_key_checked = False


CURRENT = Current()
