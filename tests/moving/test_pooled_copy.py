"""The server process of a COPY ends behind PgBouncer, which then sends two errors for one COPY."""

import pytest

from queue_mover.copying.copy_writer import writing_copy
from queue_mover.copying.insert import rows_in_chunks
from queue_mover.errors import UnavailableError
from queue_mover.postgres.database import Database
from tests.moving.holding import end_backends, hold_copy, stop_copy_at, wait_until_blocked
from tests.moving.pair import Pair
from tests.moving.test_pgbouncer import bouncing

LAST = "the last event of the batch"

STOPS_AFTER_A_CHUNK = """
    select repeat('x', 8192), case when i > 510 then pg_sleep(600)::text end,
           null::text, null::text, null::text, null::text
      from generate_series(1, 600) i
"""


@pytest.mark.parametrize("write_with", ["copy", "insert_event"])
def test_the_mover_calls_it_an_outage_and_tries_again(pair: Pair, write_with: str) -> None:
    stop_copy_at(pair, LAST)
    with bouncing(pair) as ways, pair.start(write_with=write_with, **ways) as mover:
        # given a batch that the mover has sent to its end
        with hold_copy(pair):
            pair.produce(100, last=LAST)
            wait_until_blocked(pair.target)
            # when its server process ends
            end_backends(pair.target)
        # then the batch is moved again, and the log has one line about it
        mover.wait_for_output("INFO recovered: working again")
        pair.wait_for(101)
        assert mover.stop() == 0
        assert "ERROR target database not available: " in mover.stderr
        assert "Traceback" not in mover.stderr
    # insert_event sets the time of arrival
    compared = pair.compared()
    assert (compared.missing, compared.duplicated, compared.unexpected) == (0, 0, 0)
    assert compared.changed_fields == (("time 101",) if write_with == "insert_event" else ())


def test_reading_a_source_row_by_row(pair: Pair) -> None:
    """As `write_with = insert` and the quarantine do."""
    with bouncing(pair) as ways:
        source = Database("source", ways["src_db"], "reader")

        def read() -> None:
            with (
                source.session() as connection,
                rows_in_chunks(connection, STOPS_AFTER_A_CHUNK, "UTF8") as chunks,
            ):
                next(chunks)
                end_backends(pair.source, "reader")
                next(chunks)

        with pytest.raises(UnavailableError, match="source database not available"):
            read()


def test_an_error_of_the_caller_is_left_alone(pair: Pair) -> None:
    """Given a ValueError before the end, the kind of error that the driver raises at the end."""
    pair.target.execute("create table public.numbers (number int)")
    with (
        pytest.raises(ValueError, match="no number"),
        writing_copy(pair.target.cursor(), "public.numbers", "number"),
    ):
        raise ValueError("no number")
