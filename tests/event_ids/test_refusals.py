"""What keeps keep_event_id from working is found before anything is written, with the remedy."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from queue_mover.config.loading import load_mover
from queue_mover.errors import ConfigError
from testbed.database import value
from testbed.ini import write_sections
from testbed.processes import run, script
from testbed.queues import install_pgq_ext
from tests.check.conftest import codes, document, findings
from tests.event_ids.keeping import Keeping, second_source

MAIN = {"src_db": "dbname=a", "dst_db": "dbname=t", "queue_name": "q", "dst_queue_name": "all"}
MOVER = "queue_mover3"


def refused(path: Path, *words: str) -> None:
    """The file is refused, in one line with all of these words."""
    with pytest.raises(ConfigError) as found:
        load_mover(path, {})
    assert [
        word for word in (*words, "keep_event_id", "; remedy: ") if word not in str(found.value)
    ] == []
    assert "\n" not in str(found.value)


def test_not_with_insert_event(tmp_path: Path) -> None:
    settings = {**MAIN, "keep_event_id": 1, "write_with": "insert_event"}
    refused(write_sections(tmp_path / "m.ini", {MOVER: settings}), "write_with = copy")


@pytest.mark.parametrize("keepers", [("a",), ("b",), ("a", "b")])
def test_not_with_two_sources_of_one_queue(tmp_path: Path, keepers: tuple[str, ...]) -> None:
    sections = {
        f"source:{name}": {"src_db": f"dbname={name}", "keep_event_id": int(name in keepers)}
        for name in ("a", "b")
    }
    path = write_sections(tmp_path / "m.ini", {MOVER: MAIN, **sections})
    refused(path, "sources a and b", 'queue "all"', f"the event IDs of {keepers[0]}")
    # each with its own queue is as it should be
    sections["source:b"]["dst_queue_name"] = "other"
    settings = load_mover(write_sections(path, {MOVER: MAIN, **sections}), {})
    assert [mover.route.keep_event_id for mover in settings.movers] == [
        name in keepers for name in ("a", "b")
    ]


def test_a_schema_that_is_too_old(keeping: Keeping) -> None:
    pair = keeping.pair
    # given the schema of an earlier version on the target
    pair.target.execute(
        "drop table queue_mover.event_ids;"
        "drop function queue_mover.event_ids_state, queue_mover.keep_event_ids"
    )
    # then a mover that keeps no IDs works as before
    pair.produce(5)
    pair.command(loop_delay=0).check()
    # and one that keeps them refuses to start
    pair.produce(5)
    result = pair.command(keep_event_id=1, loop_delay=0)
    assert result.returncode == 1
    assert "too old for keep_event_id; remedy: pgqadm.py CONFIG install" in result.stderr
    assert pair.target_events.count() == 5
    # when it is repaired, which may be done twice, then it works
    install_pgq_ext(pair.target)
    run([script(MOVER), "--check", "--fix", pair.ini(keep_event_id=1)])
    value(pair.source, "select pgq.force_tick(%s)", pair.queue)
    pair.target.execute("delete from pgq.event_template")
    keeping.move()
    assert pair.target_events.count() == 5


@pytest.fixture
def role(keeping: Keeping) -> Iterator[str]:
    """A role on the target that may do nothing."""
    target = keeping.pair.target
    target.execute("create role keeper login; grant pgq_writer to keeper")
    yield "keeper"
    target.execute("drop owned by keeper cascade; drop role keeper")


def test_the_privileges_of_the_mover(keeping: Keeping, role: str) -> None:
    pair = keeping.pair
    options = {"dst_db": pair.target_db.conninfo(user=role), "keep_event_id": 1, "loop_delay": 0}
    # given a role with all privileges of which pgq_admin consists, but for its functions
    pair.target.execute(f"grant usage on all sequences in schema pgq to {role}")
    pair.target.execute(f"grant select, insert on all tables in schema pgq to {role}")
    pair.produce(5)
    result = pair.command(**options)
    assert (
        'role "keeper" may not set event IDs; remedy: GRANT pgq_admin TO "keeper"' in result.stderr
    )
    # when it has that role, then it works
    pair.target.execute(f"revoke all on all sequences in schema pgq from {role}")
    pair.target.execute(f"grant pgq_admin to {role}")
    pair.command(**options).check()
    assert keeping.tick_target()
    assert keeping.drain() == keeping.expected


def test_an_owner_of_the_functions_who_may_not(keeping: Keeping, role: str) -> None:
    pair = keeping.pair
    pair.target.execute(f"grant create on schema queue_mover to {role}")
    pair.target.execute(f"alter function queue_mover.keep_event_ids owner to {role}")
    result = pair.command(keep_event_id=1, loop_delay=0)
    remedy = "ALTER FUNCTION queue_mover.keep_event_ids OWNER TO CURRENT_USER"
    assert remedy in result.stderr
    pair.target.execute(remedy)
    pair.command(keep_event_id=1, loop_delay=0).check()


def test_no_other_sequence_can_be_changed(keeping: Keeping, role: str) -> None:
    pair = keeping.pair
    database = pair.target_db
    pair.target.execute(f"grant create on database {database.name} to {role}")
    with database.connect(user=role) as writer:
        # given somebody who makes a schema that looks like a PgQ
        writer.execute(
            "create schema pgque; create table pgque.queue as select * from pgq.queue where false;"
            "insert into pgque.queue (queue_name, queue_event_seq, queue_data_pfx)"
            " values ('q', 'pgq.batch_id_seq', 'pgq.event_1')"
        )
        for schema, error in (
            ("pgque", psycopg.errors.RaiseException),
            ("public", psycopg.errors.RaiseException),
        ):
            with pytest.raises(error):
                writer.execute("select queue_mover.event_ids_state(%s, 'q', 'c')", [schema])
        # nor does a writer get at the function that changes it
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            writer.execute(
                "select queue_mover.keep_event_ids('pgque', 'q', 'c', 's', 1, '', 2, '', 1, 9)"
            )


def test_check_and_status_show_it(keeping: Keeping) -> None:
    pair = keeping.pair
    pair.produce(5)
    keeping.move()
    mine = pair.ini(keep_event_id=1)
    assert "event_ids" not in [code for _, code, _ in codes(document(mine))]
    # given a second source
    other = second_source(keeping)
    found = document(other.ini(keep_event_id=1))
    assert ("queues", "event_ids", None) in codes(found)
    assert found["repairs"] == []
    other.close()
    # and a local producer
    keeping.insert_on_target("local")
    (finding,) = [each for each in findings(document(mine)) if each["code"] == "event_ids"]
    assert finding["remedy"].startswith("stop that, then DELETE FROM queue_mover.event_ids")
    status = run([script("queue_mover3"), "--status", mine])
    assert status.returncode == 1
    assert "was written by somebody else" in status.stdout
