"""Errors one after the other: how long to wait, and what is still news."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queue_mover.service.backoff import FIRST_WAIT, Backoff


def backoff(longest_wait: float = 20, grace: float = 300, reset: float = 900) -> Backoff:
    return Backoff(longest_wait, grace, reset)


def waits(errors: Backoff, times: int) -> list[float]:
    found = []
    for now in range(times):
        errors.failed(now, "no server")
        found.append(errors.wait())
    return found


@pytest.mark.parametrize(
    ("longest", "expected"),
    [
        (20, [1, 2, 4, 8, 16, 20, 20]),
        (60, [1, 2, 4, 8, 16, 32, 60, 60]),
        (3, [1, 2, 3, 3]),
        (0.5, [0.5, 0.5]),
        (0, [0, 0]),
    ],
)
def test_the_first_wait_is_a_second_then_it_doubles_up_to_the_longest(
    longest: float, expected: list[float]
) -> None:
    assert waits(backoff(longest), len(expected)) == expected


@given(longest=st.floats(0, 1e9), times=st.integers(1, 2000))
def test_a_wait_never_shrinks_and_never_exceeds_the_longest(longest: float, times: int) -> None:
    found = waits(backoff(longest), times)
    assert found == sorted(found)
    assert found[0] == min(FIRST_WAIT, longest)
    assert found[-1] <= longest


def test_after_a_success_it_begins_anew() -> None:
    errors = backoff()
    waits(errors, 5)
    assert errors.succeeded(10)
    errors.failed(11, "no server")
    assert errors.wait() == FIRST_WAIT


def test_recovery_is_told_once() -> None:
    errors = backoff()
    assert not errors.succeeded(0)
    errors.failed(1, "no server")
    assert errors.succeeded(2)
    assert not errors.succeeded(3)


def test_only_another_message_is_news() -> None:
    errors = backoff()
    told = [errors.failed(now, text) for now, text in enumerate(["a", "a", "b", "b", "a"])]
    assert told == [True, False, True, False, True]


def test_after_a_recovery_the_same_message_is_news_again() -> None:
    errors = backoff()
    errors.failed(1, "a")
    errors.succeeded(2)
    assert errors.failed(3, "a")


def test_the_grace_period_begins_with_the_first_error() -> None:
    errors = backoff(grace=300)
    assert errors.in_grace(0)
    errors.failed(1000, "a")
    assert errors.in_grace(1000)
    errors.failed(1200, "a")
    assert errors.in_grace(1299)
    assert not errors.in_grace(1300)


@pytest.mark.parametrize(
    ("success_at", "in_grace"),
    [(500, False), (1900, False), (1901, True)],
    ids=["at once", "just before the reset", "after the reset"],
)
def test_a_streak_is_forgotten_after_the_reset(success_at: float, *, in_grace: bool) -> None:
    errors = backoff(grace=300, reset=900)
    errors.failed(1000, "a")
    errors.succeeded(success_at)
    errors.failed(2000, "a")
    assert errors.in_grace(2000) is in_grace


def test_a_forgotten_streak_has_a_new_grace_period() -> None:
    errors = backoff(grace=300, reset=900)
    errors.failed(0, "a")
    errors.succeeded(1000)
    errors.failed(5000, "a")
    assert errors.in_grace(5299)
    assert not errors.in_grace(5300)
