"""Which words are one outage, and who speaks about one that is shared."""

import time

import pytest

from queue_mover.postgres.outage import kind
from queue_mover.service.outages import Outages

AWAY = [
    ("57P01", "terminating connection due to administrator command"),
    ("57P03", "the database system is starting up"),
    ("", 'connection to server at "db1", port 5432 failed: Connection refused'),
    ("", "connection failed: FATAL:  the database system is shutting down"),
    ("", "consuming input failed: server closed the connection unexpectedly"),
    ("", "connection timeout expired"),
    ("08P01", "server conn crashed?"),
]

OTHER = [
    ("", 'connection failed: FATAL:  password authentication failed for user "mover"'),
    ("", 'connection failed: FATAL:  database "gone" does not exist'),
    ("", "connection failed: FATAL:  sorry, too many clients already"),
    ("08P01", "transaction blocks not allowed in statement pooling mode"),
    ("53100", "could not extend file: No space left on device"),
    ("57014", "canceling statement due to statement timeout"),
]


@pytest.mark.parametrize(("state", "message"), AWAY)
def test_a_server_that_is_away_is_one_outage_in_many_words(state: str, message: str) -> None:
    assert kind(state, message) == ""


def test_other_trouble_is_told_apart() -> None:
    assert len({kind(state, message) for state, message in OTHER} - {""}) == len(OTHER)


def test_numbers_in_it_make_no_other_outage() -> None:
    assert kind("", "port 6432: bad mood 17") == kind("", "port 6433: bad mood 18")


def test_the_first_speaks_and_the_first_that_works_again() -> None:
    outages = Outages()
    assert outages.failed("db", "a", "away", began=time.monotonic())
    assert not outages.failed("db", "b", "away", began=time.monotonic())
    assert outages.failed("other", "c", "away", began=time.monotonic())
    assert outages.recovered("db", "b")
    assert not outages.recovered("db", "a")
    assert not outages.recovered("db", "d")


def test_another_kind_is_news() -> None:
    outages = Outages()
    assert outages.failed("db", "a", "away", began=time.monotonic())
    assert outages.failed("db", "b", "read-only", began=time.monotonic())


def test_a_try_that_began_before_the_recovery_is_no_news() -> None:
    outages = Outages()
    began = time.monotonic()
    outages.failed("db", "a", "away", began=began)
    outages.recovered("db", "a")
    assert not outages.failed("db", "b", "away", began=began)
    assert outages.failed("db", "b", "away", began=time.monotonic() + 1)
