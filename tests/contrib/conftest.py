"""What the tests of this folder start from."""

from tests.command.conftest import world

__all__ = ["world"]
