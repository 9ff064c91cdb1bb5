"""By what a tick is known again is recorded always, also of a tick that was made just now."""

from testbed.database import value
from testbed.processes import wait_until
from tests.moving.holding import MID_COPY, hold_advisory, wait_until_blocked
from tests.moving.pair import Pair


def test_a_tick_made_while_the_batch_is_asked_for(pair: Pair) -> None:
    """`next_batch` sees it, though the statement that calls it began before."""
    signature = "pgq.next_batch_custom(text, text, interval, int4, interval)"
    result = value(pair.source, "select pg_get_function_result(%s::regprocedure)", signature)
    pair.source.execute(
        f"""
        alter function {signature} rename to next_batch_at_once;
        create function pgq.next_batch_custom(
            a text, b text, c interval, d int4, e interval, out batch_id int8,
            out cur_tick_id int8, out prev_tick_id int8, out cur_tick_time timestamptz,
            out prev_tick_time timestamptz, out cur_tick_event_seq int8,
            out prev_tick_event_seq int8)
        language plpgsql as $$ begin
            perform pg_advisory_xact_lock({MID_COPY});
            select n.* into batch_id, cur_tick_id, prev_tick_id, cur_tick_time, prev_tick_time,
                   cur_tick_event_seq, prev_tick_event_seq
              from pgq.next_batch_at_once(a, b, c, d, e) n;
        end $$
        """.encode()
    )
    assert result == "record"
    with pair.start(max_batch_events=0) as mover:
        with hold_advisory(pair.source_db, MID_COPY):
            wait_until_blocked(pair.source)
            tick = pair.produce(5, label="young")
        wait_until(lambda: pair.position == tick, 30, "the batch")
        mark = value(pair.target, "select mark from queue_mover.origin where tick = %s", tick)
        assert mark is not None
        assert mover.stop() == 0
    pair.assert_identical()
