"""Clients of the server that all tests share, and nothing in it."""

import pytest

from ..conftest import Cloud


@pytest.fixture
def aws(server):
    """The tests' AWS; a test that asked for what it lacks fails."""
    found = Cloud(server.url)
    yield found
    unknown = found.control("GET", "unknown")
    found.control("POST", "reset")
    assert unknown == []
