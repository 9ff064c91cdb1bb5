"""From a file with lists of queues to movers; the lists come from real databases."""

from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from queue_mover.config.loading import load_mover
from queue_mover.config.settings import Settings
from queue_mover.errors import ConfigError, UnknownSourceError
from queue_mover.observation.config_findings import read_config
from testbed.database import Database
from testbed.ini import write_sections
from testbed.queues import create_queue

NOWHERE = "host=127.0.0.1 port=1"


@dataclass(frozen=True)
class Files:
    """A source with queues, and a file."""

    folder: Path
    source: Database
    conn: psycopg.Connection

    def write(
        self, *, sections: dict[str, dict[str, object]] | None = None, **main: object
    ) -> Path:
        """Write a file; without sections it has one source."""
        given = {"job_name": "job", "dst_db": "dbname=central", "dst_queue_name": "%(queue)s"}
        here = {} if sections else {"src_db": self.source.conninfo()}
        return write_sections(
            self.folder / "mover.ini",
            {"queue_mover3": {**given, **here, **main}, **(sections or {})},
        )

    def load(
        self,
        *wanted: str,
        sections: dict[str, dict[str, object]] | None = None,
        **main: object,
    ) -> Settings:
        """Load it."""
        return load_mover(self.write(sections=sections, **main), {}, wanted)


@pytest.fixture(scope="module")
def conn(shared_databases: tuple[Database, Database]) -> psycopg.Connection:
    made = shared_databases[0].connect()
    for queue in ("orders", "payments_eu", "payments_us", "a, b", "100%", "had_it", "had_both"):
        create_queue(made, queue)
    made.execute("select pgq.register_consumer('had_it', 'job')")
    made.execute("select pgq.register_consumer('had_both', 'job')")
    made.execute("select pgq.register_consumer('had_both', 'job.had_both')")
    return made


@pytest.fixture
def files(
    tmp_path: Path, shared_databases: tuple[Database, Database], conn: psycopg.Connection
) -> Files:
    return Files(tmp_path, shared_databases[0], conn)


def summary(settings: Settings) -> list[tuple[str, str, str, str]]:
    """Name, source queue, consumer, target queue of each mover."""
    return [
        (mover.source, mover.route.queue, mover.route.consumer, mover.route.target_queue)
        for mover in settings.movers
    ]


def test_one_queue_is_as_before_without_any_database(files: Files) -> None:
    settings = files.load(queue_name="orders", src_db=NOWHERE, consumer_name="%(queue)s_mover")
    assert summary(settings) == [("", "orders", "orders_mover", "orders")]
    assert (settings.refresh, settings.waiting, settings.warnings) == (0, {}, ())


def test_a_variable_that_the_file_sets_itself_wins(files: Files) -> None:
    settings = files.load(queue="orders", queue_name="%(queue)s", dst_queue_name="all_%(queue)s")
    assert summary(settings) == [("", "orders", "job", "all_orders")]


def test_each_queue_of_a_list(files: Files) -> None:
    settings = files.load(queue_name="orders, payments_*, !*_us, missing, 100%%")
    assert summary(settings) == [
        ("100%", "100%", "job.100%", "100%"),
        ("missing", "missing", "job.missing", "missing"),
        ("orders", "orders", "job.orders", "orders"),
        ("payments_eu", "payments_eu", "job.payments_eu", "payments_eu"),
    ]
    assert [bool(mover.found) for mover in settings.movers] == [False, False, False, True]
    assert (settings.refresh, settings.refused, settings.warnings) == (300, {}, ())


def test_a_queue_keeps_the_consumer_it_had_when_it_was_alone(files: Files) -> None:
    """Whatever its place in the list; one that has both names keeps the longer."""
    for text in ("had_it, orders", "orders, had_it", "orders, had_i*"):
        assert {s[1]: s[2] for s in summary(files.load(queue_name=text))} == {
            "had_it": "job",
            "orders": "job.orders",
        }
    assert summary(files.load(queue_name="had_both,"))[0][2] == "job.had_both"


def test_a_plain_consumer_on_two_of_the_queues_is_refused(files: Files) -> None:
    files.conn.execute("select pgq.register_consumer('orders', 'twice')")
    files.conn.execute("select pgq.register_consumer('payments_eu', 'twice')")
    settings = files.load(queue_name="orders, payments_*", consumer_name="twice")
    assert [s[0] for s in summary(settings)] == ["payments_us"]
    assert set(settings.refused) == {"orders", "payments_eu"}
    assert '"twice" is registered on queues orders, payments_eu' in settings.refused["orders"]
    assert "remedy: consumer_name = twice.%(queue)s" in settings.refused["orders"]
    # and with the remedy
    named = files.load(queue_name="orders, payments_*", consumer_name="twice.%(queue)s")
    assert {s[2] for s in summary(named)} == {
        "twice.orders",
        "twice.payments_eu",
        "twice.payments_us",
    }


def test_a_queue_of_exactly_that_name_is_meant_alone(files: Files) -> None:
    settings = files.load(queue_name="a, b")
    assert summary(settings) == [("", "a, b", "job", "a, b")]
    settings = files.load(
        sections={"source:x": {"src_db": files.source.conninfo()}}, queue_name="a, b"
    )
    assert summary(settings) == [("x", "a, b", "job.x", "a, b")]


def test_sections_have_movers_for_each_of_their_queues(files: Files) -> None:
    here = files.source.conninfo()
    sections: dict[str, dict[str, object]] = {
        "source:x": {"src_db": here, "queue_name": "orders, payments_*"},
        "source:y": {"src_db": "dbname=elsewhere", "queue_name": "orders"},
        "source:z": {"src_db": NOWHERE, "queue_name": "orders, payments"},
    }
    settings = files.load(sections=sections, dst_queue_name="%(source)s_%(queue)s")
    assert summary(settings) == [
        ("x/orders", "orders", "job.x.orders", "x_orders"),
        ("x/payments_eu", "payments_eu", "job.x.payments_eu", "x_payments_eu"),
        ("x/payments_us", "payments_us", "job.x.payments_us", "x_payments_us"),
        ("y", "orders", "job.y", "y_orders"),
    ]
    assert list(settings.waiting) == ["z"]
    assert settings.refused["z"].startswith("source database not available: ")


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        (["x"], ["x/orders", "x/payments_eu", "x/payments_us"]),
        (["x/payments_*"], ["x/payments_eu", "x/payments_us"]),
        (["*orders"], ["x/orders", "z"]),
        (["y", "x/o*"], ["x/orders", "y"]),
        (["z/anything"], ["z"]),
    ],
)
def test_source_selects_queues(files: Files, wanted: list[str], chosen: list[str]) -> None:
    """A source that could not be read may have what is wanted."""
    sections: dict[str, dict[str, object]] = {
        "source:x": {"src_db": files.source.conninfo(), "queue_name": "orders, payments_*"},
        "source:y": {"src_db": "dbname=elsewhere", "queue_name": "other"},
        "source:z": {"src_db": NOWHERE, "queue_name": "*"},
    }
    settings = files.load(*wanted, sections=sections)
    assert [*(mover.source for mover in settings.movers), *settings.waiting] == chosen
    flat = files.load("payments_*", queue_name="orders, payments_*")
    assert [mover.source for mover in flat.movers] == ["payments_eu", "payments_us"]
    with pytest.raises(UnknownSourceError, match="--source x/none: no such source; the file has: "):
        files.load("x/none", sections=sections)


def test_a_list_without_any_queue_waits(files: Files) -> None:
    settings = files.load(queue_name="nothing_*, !orders")
    assert settings.movers == ()
    assert 'no queue matches "nothing_*, !orders" (existing: 100%, ' in settings.refused["job"]


def test_no_queue_is_moved_into_one_that_would_be_moved_in_turn(files: Files) -> None:
    """Which would create queues without end."""
    here = files.source.conninfo()
    settings = files.load(queue_name="payments_*", dst_db=here, dst_queue_name="%(queue)s_copy")
    assert settings.movers == ()
    assert "remedy: add !payments_eu_copy to queue_name" in settings.refused["payments_eu"]
    safe = files.load(
        queue_name="payments_*, !*_copy", dst_db=here, dst_queue_name="%(queue)s_copy"
    )
    assert len(safe.movers) == 2


def test_errors_of_the_file_need_no_database(files: Files) -> None:
    with pytest.raises(ConfigError, match="max_batch_events: 'many' is not a whole number"):
        files.load(queue_name="*", src_db=NOWHERE, max_batch_events="many")


def test_consumer_works_on_one_queue(files: Files) -> None:
    path = files.write(queue_name="orders, payments_*")
    with pytest.raises(ConfigError, match="remedy: add one --source NAME"):
        load_mover(path, {}, [], "job.gone")
    (mover,) = load_mover(path, {}, ["orders"], "job.gone").movers
    assert (mover.route.queue, mover.route.consumer) == ("orders", "job.gone")


def test_refresh_of_a_catalogue_goes_before_that_of_the_file(files: Files) -> None:
    query = "select 'x', 'dbname=elsewhere'"
    catalogue: dict[str, object] = {"list_db": files.source.conninfo(), "list_sql": query}
    assert files.load(sections={"sources": catalogue}, queue_name="q").refresh == 300
    both = {"sources": {**catalogue, "refresh": "7"}}
    assert files.load(sections=both, queue_name="q", refresh="9").refresh == 7
    assert files.load(sections={"sources": catalogue}, queue_name="q", refresh="9").refresh == 9


def test_the_check_names_a_source_that_cannot_be_read(files: Files) -> None:
    path = files.write(queue_name="orders, payments_*", src_db=NOWHERE)
    settings, findings = read_config(path, {}, [])
    assert settings is not None
    assert settings.movers == ()
    (finding,) = findings
    assert finding.text.startswith("job: source database not available: ")
