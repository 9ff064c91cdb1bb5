"""The tests that need what a pooler cannot give, with the reasons; see `tests.pooling`."""

from collections.abc import Mapping

REPLACED = "PgBouncer replaces an idle server connection that ends: the mover notices nothing"
NAMELESS = "whose session it is cannot be seen: PgBouncer gives it to other clients in between"
OPTIONS = "PgBouncer ignores the options in a connect string"
TEMPLATE = "a database that PgBouncer is connected to cannot be a template"
ACCEPTED = "PgBouncer accepts a client whose server hangs: no connect hangs"
NO_POOLER = "it is about a server without a pooler"

UNPOOLED: Mapping[str, Mapping[str, str]] = {
    "tests/check/test_healthy.py::test_what_was_found_is_told_where_nothing_is_wrong": {
        "source": NO_POOLER,
        "target": NO_POOLER,
    },
    "tests/check/test_trouble.py::test_twenty_things_wrong_are_twenty_lines": {"source": OPTIONS},
    "tests/command/test_status.py::test_a_connect_string_with_a_name_of_its_own": {
        "source": NAMELESS
    },
    "tests/command/test_status.py::test_running_elsewhere": {"source": NAMELESS},
    "tests/command/test_status.py::test_standing_by": {"target": NAMELESS},
    "tests/moving/test_crash.py::test_a_connection_lost_in_mid_copy[source]": {"source": REPLACED},
    "tests/moving/test_target_changes.py"
    "::test_a_target_that_fails_leaves_nothing_at_work_on_the_source": {"target": OPTIONS},
    "tests/moving/test_unlocked_mover.py::test_a_running_one_is_noticed_before_the_first_batch": {
        "source": NAMELESS
    },
    "tests/reliability/test_identity.py::test_a_copy_of_the_database_has_another": {
        "source": TEMPLATE
    },
    "tests/reliability/test_two_sources.py::test_a_source_that_has_moved_is_accepted": {
        "source": TEMPLATE
    },
    "tests/sources/test_connections.py::test_idle_sources_hold_none": {"target": REPLACED},
    "tests/sources/test_frozen_stop.py::test_a_connect_that_hangs": {"source": ACCEPTED},
    "tests/sources/test_pool.py::test_a_lost_connection_takes_the_idle_ones_with_it": {
        "target": REPLACED
    },
}
"""For each test, with or without its parameters, the sides on which it needs a connection of its
own, and why."""
