"""Values on which two versions of the program, running side by side, must agree."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queue_mover.copying.copy import common_encoding
from queue_mover.postgres.locks import lock_key


@pytest.mark.parametrize(
    ("names", "key"),
    [
        (("target", "mover"), -1_307_241_371_910_462_395),
        (("source", "from_here", "mover"), 4_458_896_056_175_817_352),
        (("target", "aufträge✓"), 4_822_127_022_766_703_365),
        (("target", ""), -2_161_852_249_365_817_066),
    ],
)
def test_the_keys_of_the_locks_never_change(names: tuple[str, ...], key: int) -> None:
    """A changed key would let an old and a new mover apply the same batch."""
    assert lock_key(*names) == key


@given(names=st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1))
def test_a_key_is_what_postgresql_calls_bigint(names: list[str]) -> None:
    assert -(2**63) <= lock_key(*names) < 2**63


def test_names_do_not_run_into_each_other() -> None:
    keys = {lock_key("a", "bc"), lock_key("ab", "c"), lock_key("abc"), lock_key("a", "b", "c")}
    assert len(keys) == 4


@pytest.mark.parametrize(
    ("source", "target", "common"),
    [
        ("UTF8", "UTF8", "UTF8"),
        ("LATIN1", "LATIN1", "LATIN1"),
        ("SQL_ASCII", "SQL_ASCII", "SQL_ASCII"),
        ("LATIN1", "UTF8", "LATIN1"),
        ("UTF8", "LATIN1", "UTF8"),
        ("LATIN1", "SQL_ASCII", "LATIN1"),
        ("SQL_ASCII", "UTF8", "SQL_ASCII"),
        ("UTF8", "SQL_ASCII", "UTF8"),
        ("LATIN1", "WIN1251", "UTF8"),
        ("EUC_JP", "LATIN9", "UTF8"),
    ],
)
def test_the_encoding_of_both_copies(source: str, target: str, common: str) -> None:
    """Equal or directly convertible: as stored on the source. Otherwise UTF-8 in between."""
    assert common_encoding(source, target) == common
