"""`queue_mover3 --check --fix`: makes the repairs that `repair` allows, and reports each."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace

from queue_mover.admin.install import install_schemas
from queue_mover.config.settings import MoverSettings
from queue_mover.errors import QueueMoverError
from queue_mover.moving.preflight import Preflight
from queue_mover.observation.repair import Repair, Repaired, RepairKind
from queue_mover.pgq.new_queue import create_target_queue
from queue_mover.postgres.connection import Connection
from queue_mover.postgres.database import Database
from queue_mover.service.mover_job import source_database
from queue_mover.service.targets import Targets


def make_repairs(todo: Sequence[Repair], movers: Sequence[MoverSettings]) -> Iterator[Repaired]:
    """Make repairs of a process with these movers; one that fails does not stop the others."""
    targets = Targets()
    targets.set_movers(movers)
    for repair in todo:
        try:
            _make(repair, targets)
        except QueueMoverError as error:
            yield Repaired(repair, str(error))
        else:
            yield Repaired(repair)


def _make(repair: Repair, targets: Targets) -> None:
    mover = repair.found.status.mover
    if repair.kind is RepairKind.INSTALL:
        with _target(mover) as dst:
            install_schemas(dst)
    elif repair.kind is RepairKind.IDENTIFY:
        with _source(mover) as src:
            install_schemas(src)
    elif repair.kind is RepairKind.CREATE:
        with _source(mover) as src, _target(mover) as dst:
            create_target_queue(src, dst, mover.route)
    else:
        _register(mover, targets)


def _register(mover: MoverSettings, targets: Targets) -> None:
    """As the first start does, with all that it checks before."""
    log = logging.getLogger(f"{__name__}.quiet")
    log.addHandler(logging.NullHandler())
    log.propagate = False
    preflight = Preflight(
        mover.route,
        replace(mover.policy, auto_register=True),
        mover.limits,
        log,
        lambda: targets.running(mover),
    )
    with _source(mover) as src, _target(mover) as dst:
        preflight.check(src, dst, first=True)


@contextmanager
def _source(mover: MoverSettings) -> Iterator[Connection]:
    with closing(source_database(mover)) as database, database.session() as connection:
        yield connection


@contextmanager
def _target(mover: MoverSettings) -> Iterator[Connection]:
    flavour = mover.route.target_flavour
    database = Database("target", mover.dst_db, mover.process.job_name, flavour=flavour)
    with closing(database), database.session() as connection:
        yield connection
