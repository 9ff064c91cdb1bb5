"""A queue whose ticks know higher transaction ids than its server: one that came in a dump."""

import pytest

from testbed.database import value
from testbed.log_lines import news
from tests.moving.pair import Pair


@pytest.mark.parametrize("side", ["source", "target"])
@pytest.mark.parametrize("snapshot", ["9999999999:9999999999:", "5:9999999999:5"])
def test_no_event_is_moved_that_nobody_would_read(pair: Pair, side: str, snapshot: str) -> None:
    """Also where an old transaction was open at the last tick, which lets PgQ's ticker go on."""
    pair.produce(5, label="waiting")
    conn, queue = (
        (pair.source, pair.queue) if side == "source" else (pair.target, pair.target_queue)
    )
    given = value(
        conn,
        """
        with newest as (
            select tick_queue, max(tick_id) as tick_id from pgq.tick, pgq.queue
             where queue_id = tick_queue and queue_name = %s group by 1)
        update pgq.tick t set tick_snapshot = %s
          from newest n, pgq.tick before
         where t.tick_queue = n.tick_queue and t.tick_id = n.tick_id
           and before.tick_queue = n.tick_queue and before.tick_id = n.tick_id
        returning before.tick_snapshot::text
        """,
        queue,
        snapshot,
    )
    before = (pair.position, pair.target_events.count(), pair.subscription())
    result = pair.command(loop_delay=0)
    assert result.returncode == 1
    (line,) = news(result.stderr)
    assert f'{side} database: queue "{queue}": the server\'s transaction ids are behind' in line
    assert "remedy: stop producers and server, run pg_resetwal --epoch=3 -D DATADIR, start" in line
    assert (pair.position, pair.target_events.count(), pair.subscription()) == before
    # when the ids are right, then it moves
    conn.execute(
        "update pgq.tick set tick_snapshot = %s where tick_snapshot::text = %s", [given, snapshot]
    )
    pair.command(loop_delay=0).check()
    pair.assert_identical()
