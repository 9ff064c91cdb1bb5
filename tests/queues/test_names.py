"""`queue_name`: when it is a list, and what a list selects."""

import pytest

from queue_mover.config.queue_names import parse

EXISTING = ["audit", "audit_old", "orders", "payments_eu", "payments_us", "a, b"]


@pytest.mark.parametrize("text", ["orders", "two words", "a-b/c.d", "no!", "", "ünï"])
def test_what_is_one_name_as_it_always_was(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(
    ("text", "named", "found"),
    [
        ("orders, audit", ["audit", "orders"], []),
        ("orders,", ["orders"], []),
        (" orders ,\n two words,, ", ["orders", "two words"], []),
        ("payments_*", [], ["payments_eu", "payments_us"]),
        ("payments_??", [], ["payments_eu", "payments_us"]),
        ("payments_[e-f]?", [], ["payments_eu"]),
        ("orders, payments_*", ["orders"], ["payments_eu", "payments_us"]),
        ("missing, payments_eu, payments_*", ["missing", "payments_eu"], ["payments_us"]),
        ("a*, !audit*", [], ["a, b"]),
        ("!audit*, a*", [], ["a, b"]),
        ("!audit*, ! payments_us", [], ["a, b", "orders", "payments_eu"]),
        ("orders, !orders", [], []),
        ("nothing_*", [], []),
        (",!", [], []),
    ],
)
def test_what_a_list_selects(text: str, named: list[str], found: list[str]) -> None:
    names = parse(text)
    assert names is not None
    selected = names.among(EXISTING)
    assert list(selected) == sorted(selected)
    assert [queue for queue, by_pattern in selected.items() if not by_pattern] == named
    assert [queue for queue, by_pattern in selected.items() if by_pattern] == found
    assert all(names.covers(queue) for queue in found)
