"""The tests that need what a pooler cannot give, with the reasons; see `tests.pooling`."""

from collections.abc import Mapping

UNPOOLED: Mapping[str, Mapping[str, str]] = {}
"""For each test the sides on which it needs a connection of its own, and why."""
