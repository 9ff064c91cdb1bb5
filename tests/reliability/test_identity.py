"""A source whose server does not tell who it is, as managed ones do."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.cluster import Cluster
from testbed.database import Database, value
from testbed.log_lines import news
from testbed.processes import run, script, write_ini
from testbed.programs import server_program
from tests.moving.pair import Pair

ROLE = "Some Body"
REVOKE = b"revoke execute on function pg_control_system() from public"


@pytest.fixture
def managed(source_db: Database, target_db: Database, tmp_path: Path) -> Iterator[Pair]:
    """A pair whose source refuses pg_control_system() to the mover's role."""
    pair = Pair(source_db, target_db, tmp_path)
    pair.source.execute(f'drop role if exists "{ROLE}"'.encode())
    pair.source.execute(f'create role "{ROLE}" login in role pgq_reader'.encode())
    pair.source.execute(REVOKE)
    yield pair
    pair.close()


def src_db(pair: Pair) -> str:
    """The source, as that role."""
    return pair.source_db.conninfo(user=ROLE)


def install(pair: Pair) -> None:
    """Run pgqadm install on the source."""
    ini = write_ini(pair.directory / "source.ini", "pgqadm", {"db": pair.source_db.conninfo()})
    run([script("pgqadm.py"), ini, "install"]).check()


def identity(pair: Pair) -> str:
    """What the database calls itself."""
    return str(value(pair.source, "select queue_mover.database_identity()"))


def test_without_any_identity_both_ways_out_are_named(managed: Pair) -> None:
    result = managed.command(src_db=src_db(managed))
    assert result.returncode == 1
    (line,) = news(result.stderr)
    grant = f'GRANT EXECUTE ON FUNCTION pg_control_system() TO "{ROLE}"'
    assert grant in line
    assert "pgqadm.py CONFIG install" in line
    assert managed.subscription() is None
    # when the first is taken as it is written
    managed.source.execute(grant.encode())
    managed.command(src_db=src_db(managed), loop_delay=0).check()
    managed.produce(3)
    managed.command(src_db=src_db(managed), loop_delay=0).check()
    managed.assert_identical()


def test_an_identity_of_our_own_does_as_well(managed: Pair) -> None:
    install(managed)
    managed.command(src_db=src_db(managed), loop_delay=0).check()
    managed.produce(3)
    managed.command(src_db=src_db(managed), loop_delay=0).check()
    managed.assert_identical()
    origin = value(managed.target, "select source from queue_mover.origin")
    assert origin.startswith(f"identity {identity(managed)}, database {managed.source_db.name},")


def test_a_grant_that_comes_later_makes_it_another_source_until_it_is_accepted(
    managed: Pair,
) -> None:
    install(managed)
    managed.command(src_db=src_db(managed), loop_delay=0).check()
    managed.produce(3)
    managed.command(src_db=src_db(managed), loop_delay=0).check()
    managed.produce(4)
    # when
    managed.source.execute(f'grant execute on function pg_control_system() to "{ROLE}"'.encode())
    result = managed.command(src_db=src_db(managed), loop_delay=0)
    # then
    assert result.returncode == 1
    assert "belongs to another source (identity " in result.stderr
    assert "--accept-source" in result.stderr
    managed.command("--accept-source", src_db=src_db(managed)).check()
    managed.command(src_db=src_db(managed), loop_delay=0).check()
    managed.assert_identical()


def test_it_outlives_whatever_is_done_to_the_same_database(managed: Pair) -> None:
    install(managed)
    before = identity(managed)
    install(managed)
    managed.source.execute("vacuum (full, freeze) queue_mover.identity")
    assert identity(managed) == before


def test_a_copy_of_the_database_has_another(managed: Pair, source_cluster: Cluster) -> None:
    # given a copy by template, and one by dump and restore
    install(managed)
    before = identity(managed)
    managed.source.close()
    copies = [
        source_cluster.create_database("by_template", managed.source_db.name),
        source_cluster.create_database("by_dump"),
    ]
    pg_dump, psql = server_program("pg_dump"), server_program("psql")
    dump = f"{pg_dump} -d '{managed.source_db.conninfo()}' | {psql} -q '{copies[1].conninfo()}'"
    run(["bash", "-c", f"set -o pipefail; {dump}"]).check()
    managed.source = managed.source_db.connect()
    # then
    found = {before}
    for copy in copies:
        with copy.connect() as conn:
            found.add(str(value(conn, "select queue_mover.database_identity()")))
        source_cluster.drop_database(copy.name)
    assert len(found) == 3
