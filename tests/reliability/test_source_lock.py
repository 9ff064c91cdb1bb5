"""A partner frozen in the middle of asking for a batch: the wait ends, and is told."""

from tests.moving.holding import hold_source
from tests.moving.pair import Pair


def test_the_wait_for_the_source_is_told_with_who_is_to_blame(pair: Pair) -> None:
    pair.produce(5, label="waiting")
    with hold_source(pair), pair.start(exception_sleep=0.1) as mover:
        mover.wait_for_output("source database: the consumer's lock is held by pid ", timeout=60)
        assert "(the test) from 127.0.0.1" in mover.stderr
        assert "Traceback" not in mover.stderr
    pair.command(loop_delay=0).check()
    pair.assert_identical()
