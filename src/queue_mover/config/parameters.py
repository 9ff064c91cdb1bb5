"""The one table of parameters: checking, `--ini`, the manual pages and the docs come from it.

Names and defaults are those of Skytools 3 where it has them.
"""

from dataclasses import replace

from queue_mover.config import kinds
from queue_mover.config.process_parameters import HTTP, LOG, STATUS, SYNTAX, process
from queue_mover.config.schema import Group, Parameter
from queue_mover.config.shaping_parameters import SHAPING

_ROUTE = Group(
    "Source and target",
    (
        Parameter("src_db", kinds.CONNECT, None, "source database, as a libpq connect string"),
        Parameter("dst_db", kinds.CONNECT, None, "target database, as a libpq connect string"),
        Parameter(
            "queue_name",
            kinds.TEXT,
            None,
            "queue on the source; or several, each moved on its own: a comma list of names and"
            " wildcards, where !NAME leaves out",
            older="pgq_queue_name",
        ),
        Parameter(
            "dst_queue_name",
            kinds.TEXT,
            None,
            "queue on the target; %(queue)s: of the same name",
            unless="dst_queue_field",
        ),
        Parameter(
            "dst_queue_field",
            kinds.COLUMN,
            "",
            "in place of dst_queue_name: each event goes to the target queue that this field of it"
            " names, such as ev_extra1",
            shown="off",
            older="queue_field",
        ),
        Parameter(
            "create_dst_queue",
            kinds.BOOLEAN,
            "0",
            "create the target queue where it is missing, with the settings of the source queue;"
            " needs the role pgq_admin on the target",
        ),
        Parameter(
            "consumer_name",
            kinds.TEXT,
            "%(job_name)s",
            "consumer on the source queue, and key of the position on the target;"
            " unset in a file with [source:NAME] sections: the same with .NAME appended; with"
            " several queues .QUEUE is appended, except on a queue that has it without",
            older="pgq_consumer_id",
        ),
        Parameter(
            "auto_register",
            kinds.BOOLEAN,
            "1",
            "register the consumer at the first start",
        ),
        Parameter(
            "table_filter",
            kinds.TABLES,
            "",
            "move only events whose ev_extra1 is one of these tables; x means public.x",
            shown="off",
        ),
        Parameter(
            "src_flavour",
            kinds.FLAVOUR,
            "",
            "which PgQ the source has: pgq, or pgque for PgQue",
            shown="found on connecting",
        ),
        Parameter(
            "dst_flavour",
            kinds.FLAVOUR,
            "",
            "the same for the target",
            shown="found on connecting",
        ),
        Parameter(
            "keep_event_id",
            kinds.BOOLEAN,
            "0",
            "events have the same ev_id on the target as on the source; nothing else may write to"
            " the target queue",
        ),
    ),
)

_MANY = Group(
    "Many sources",
    (
        Parameter(
            "include",
            kinds.WORDS,
            "",
            "files with more [source:NAME] sections; wildcards; relative to this file's directory",
            shown="none",
        ),
        Parameter(
            "dst_connections",
            kinds.SLOTS,
            "4",
            "connections to the target that all sources share",
        ),
        Parameter(
            "share_transactions",
            kinds.BOOLEAN,
            "1",
            "where sources outnumber dst_connections, write small batches that are ready at the"
            " same time in one transaction; 0: each batch in its own",
        ),
        Parameter(
            "refresh",
            kinds.SECONDS,
            "300",
            "between checks for new queues, where queue_name has wildcards; 0: only on reload",
        ),
    ),
)

_CATALOGUE = Group(
    "Sources from a database: section [sources]",
    (
        Parameter("list_db", kinds.CONNECT, None, "database that lists the partitions"),
        Parameter("list_sql", kinds.TEXT, None, "query for their names and connect strings"),
        Parameter(
            "refresh", kinds.SECONDS, "300", "between queries for new ones; 0: only on reload"
        ),
    ),
)

_BATCHES = Group(
    "Batches",
    (
        Parameter(
            "max_batch_events",
            kinds.COUNT,
            "50000",
            "a batch spans the waiting ticks up to the one that reaches this many events;"
            " 0: one tick at a time",
        ),
        Parameter(
            "pgq_batch_collect_events",
            kinds.COUNT,
            "0",
            "smallest batch worth taking, in events; replaces max_batch_events",
            shown="off",
        ),
        Parameter(
            "pgq_batch_collect_interval",
            kinds.INTERVAL,
            "",
            "smallest batch worth taking, in time; replaces max_batch_events",
            shown="off",
        ),
        Parameter(
            "pgq_keep_lag",
            kinds.INTERVAL,
            "",
            "stay this far behind the head of the queue",
            shown="off",
        ),
        Parameter(
            "on_bad_event",
            kinds.choice("stop", "quarantine"),
            "stop",
            "an event that the target cannot store, such as text its encoding cannot represent, or"
            " that names no target queue: stop, or put it into queue_mover.quarantine on the target"
            " and continue",
        ),
        Parameter(
            "write_with",
            kinds.choice("copy", "insert_event"),
            "copy",
            "insert_event needs only the role pgq_writer on the target, is slower, and sets"
            " ev_time to the time of arrival",
        ),
        Parameter("pgq_lazy_fetch", kinds.INTEGER, "300", "no effect: events are streamed"),
        Parameter("pgq_autocommit", kinds.INTEGER, "0", "no effect"),
    ),
)


_MOVING = process(
    "1.0",
    "the config file's base name; in a section [queue_mover] or [queue_splitter] the section's"
    " name",
)

_ADMIN = Group(
    "The database",
    (
        Parameter("db", kinds.CONNECT, None, "database, as a libpq connect string"),
        Parameter("maint_delay", kinds.SECONDS, "600", "between rounds of maintenance; 0: none"),
        Parameter(
            "maint_delay_min",
            kinds.MINUTES,
            "",
            "the same in minutes, for files of Skytools 2; maint_delay wins",
            shown="unset",
        ),
        Parameter("retry_delay", kinds.SECONDS, "30", "between checks of the retry queue"),
        Parameter(
            "ticker_log_delay",
            kinds.SECONDS,
            "300",
            "between log lines that count the ticks: {ticks: N}",
        ),
        Parameter(
            "queue_refresh_period",
            kinds.NUMBER,
            "30",
            "no effect: a new queue is seen at the next tick",
        ),
        Parameter(
            "pgq_sql",
            kinds.FILE,
            "",
            "path of pgq_pl_only.sql, to install PgQ without the extension",
            shown="the local PostgreSQL's",
        ),
        Parameter(
            "flavour",
            kinds.FLAVOUR,
            "",
            "PgQ or PgQue; needed where a database has both and the queue does not decide, and to"
            " install PgQue",
            shown="what the database has",
        ),
        Parameter(
            "pgque_sql",
            kinds.FILE,
            "",
            "path of pgque.sql, to install PgQue or to upgrade it",
            shown="none",
        ),
    ),
)

MOVER: tuple[Group, ...] = (_ROUTE, SHAPING, _BATCHES, _MOVING, LOG, _MANY, STATUS, HTTP, SYNTAX)
"""Section [queue_mover3], or [queue_mover]."""

SERVICE: tuple[Group, ...] = (_MOVING, LOG, _MANY, HTTP, SYNTAX)
"""What all sources of a process share."""

SOURCE: tuple[Group, ...] = (_ROUTE, SHAPING, _BATCHES, _MOVING, STATUS)
"""What a section [source:NAME] may set."""

CATALOGUE: tuple[Group, ...] = (_CATALOGUE,)
"""Section [sources]."""

SPLITTER_SECTIONS = ("queue_splitter3", "queue_splitter")
"""Sections of files for queue_splitter3, which needs no dst_queue_field."""

SPLITTER_ROUTE = Group(
    _ROUTE.title,
    tuple(
        replace(each, default="ev_extra1", shown="") if each.name == "dst_queue_field" else each
        for each in _ROUTE.parameters
        if each.name != "dst_queue_name"
    ),
)
SPLITTER: tuple[Group, ...] = (SPLITTER_ROUTE, *MOVER[1:])
"""Section [queue_splitter3], or [queue_splitter]."""


def mover(section: str) -> tuple[Group, ...]:
    """What the main section of a file may set, by its name."""
    return SPLITTER if section in SPLITTER_SECTIONS else MOVER


def source(section: str) -> tuple[Group, ...]:
    """What a section [source:NAME] may set, by the name of the main section."""
    return (SPLITTER_ROUTE, *SOURCE[1:]) if section in SPLITTER_SECTIONS else SOURCE


ADMIN: tuple[Group, ...] = (_ADMIN, process("0.1"), LOG, STATUS, SYNTAX)
"""Section [pgqadm]."""

RETIRED = ("idle_interval", "max_events", "max_lag")
"""Keys of old pgqadm files that have long had no effect: neither warned about nor suggested."""

TWINS = {
    key: twin
    for group in SOURCE
    for parameter in group.parameters
    if parameter.older
    for key, twin in ((parameter.older, parameter.name), (parameter.name, parameter.older))
}
"""For a key, its other spelling."""

AUTOMATIC = ("service_name", "host_name", "config_dir", "config_file", "source")
"""Set by the program; a file may use them as %(x)s, and may set them."""
