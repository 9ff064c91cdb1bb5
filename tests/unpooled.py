"""The tests that need what a pooler cannot give, with the reasons; see `tests.pooling`."""

from collections.abc import Mapping

REPLACES = "PgBouncer replaces an idle server connection that ends: the mover notices nothing"
NAMELESS = "whose session it is cannot be seen: PgBouncer gives it to other clients in between"

UNPOOLED: Mapping[str, Mapping[str, str]] = {
    "tests/command/test_status.py::test_running_elsewhere": {"source": NAMELESS},
    "tests/command/test_status.py::test_standing_by": {"target": NAMELESS},
    "tests/command/test_status.py::test_a_connect_string_with_a_name_of_its_own": {
        "source": NAMELESS
    },
    "tests/moving/test_crash.py::test_a_connection_lost_in_mid_copy[source]": {"source": REPLACES},
}
"""For each test, with or without its parameters, the sides on which it needs a connection of its
own, and why."""
