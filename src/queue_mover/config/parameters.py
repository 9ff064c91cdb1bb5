"""The one table of parameters: checking, `--ini`, the manual pages and the docs come from it.

Names and defaults are those of Skytools 3 where it has them.
"""

from dataclasses import dataclass

from queue_mover.config import kinds
from queue_mover.config.kinds import Kind
from queue_mover.system.logs import LOG_FORMAT


@dataclass(frozen=True, slots=True)
class Parameter:
    """One key of an ini file."""

    name: str
    kind: Kind
    default: str | None
    """As it would be written in the file; None: must be given."""
    meaning: str
    shown: str = ""
    """What stands for the default in docs, where the default is worked out."""
    sample: str = ""
    """What `--ini` sets, where its files should not go without."""
    older: str = ""
    """A key of older files that means the same and wins where both stand."""


@dataclass(frozen=True, slots=True)
class Group:
    """Parameters that belong together, under a heading."""

    title: str
    parameters: tuple[Parameter, ...]


_ROUTE = Group(
    "From where to where",
    (
        Parameter("src_db", kinds.CONNECT, None, "source database, as a libpq connect string"),
        Parameter("dst_db", kinds.CONNECT, None, "target database, as a libpq connect string"),
        Parameter("queue_name", kinds.TEXT, None, "queue on the source", older="pgq_queue_name"),
        Parameter("dst_queue_name", kinds.TEXT, None, "queue on the target"),
        Parameter(
            "consumer_name",
            kinds.TEXT,
            "%(job_name)s",
            "consumer on the source queue, and key of the position on the target;"
            " unset in a file with [source:NAME] sections: the same with .NAME appended",
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
    ),
)

_MANY = Group(
    "Many sources",
    (
        Parameter(
            "include",
            kinds.WORDS,
            "",
            "files with more [source:NAME] sections; wildcards; relative to this file's folder",
            shown="none",
        ),
        Parameter(
            "dst_connections",
            kinds.SLOTS,
            "4",
            "connections to the target that all sources share",
        ),
    ),
)

_CATALOGUE = Group(
    "Sources from a database: section [sources]",
    (
        Parameter("list_db", kinds.CONNECT, None, "database that knows the partitions"),
        Parameter("list_sql", kinds.TEXT, None, "query for their names and connect strings"),
        Parameter("refresh", kinds.SECONDS, "300", "between looks for new ones; 0: only on reload"),
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
            "an event that the target cannot take, such as bytes its encoding lacks:"
            " stop, or keep it in queue_mover.quarantine on the target and go on",
        ),
        Parameter(
            "write_with",
            kinds.choice("copy", "insert_event"),
            "copy",
            "insert_event needs only the role pgq_writer on the target, is slower, and turns"
            " ev_time into the time of arrival",
        ),
        Parameter("pgq_lazy_fetch", kinds.INTEGER, "300", "no effect: events are streamed"),
        Parameter("pgq_autocommit", kinds.INTEGER, "0", "no effect"),
    ),
)


def _process(loop_delay: str, named_after: str = "the config file's base name") -> Group:
    return Group(
        "The process",
        (
            Parameter(
                "job_name",
                kinds.TEXT,
                "",
                "name in the log, and of the consumer",
                shown=named_after,
            ),
            Parameter(
                "pidfile",
                kinds.FILE,
                "",
                "locked while running",
                shown="none",
                sample="~/pid/%(job_name)s.pid",
            ),
            Parameter(
                "loop_delay",
                kinds.NUMBER,
                loop_delay,
                "seconds slept when there is nothing to do; 0: exit when drained;"
                " negative: one round, then exit",
            ),
            Parameter(
                "connection_lifetime",
                kinds.SECONDS,
                "1200",
                "replace connections older than this; 0: never",
            ),
            Parameter(
                "exception_sleep",
                kinds.SECONDS,
                "20",
                "longest wait before a retry after an error; the first is 1 s, then doubling",
            ),
            Parameter(
                "exception_quiet",
                kinds.WORDS,
                "",
                "error classes, or ALL, logged without traceback during exception_grace",
                shown="none",
            ),
            Parameter(
                "keepalive_stats",
                kinds.SECONDS,
                "300",
                "between statistics lines while idle or failing",
            ),
            Parameter("exception_grace", kinds.SECONDS, "300", "see exception_quiet"),
            Parameter(
                "exception_reset",
                kinds.SECONDS,
                "900",
                "after this long without an error a streak of errors is forgotten",
            ),
        ),
    )


_LOG = Group(
    "The log",
    (
        Parameter(
            "logfile",
            kinds.FILE,
            "",
            "in addition to stderr",
            shown="none",
            sample="~/log/%(job_name)s.log",
        ),
        Parameter("log_size", kinds.COUNT, "10485760", "bytes before the file is rotated"),
        Parameter("log_count", kinds.COUNT, "3", "rotated files kept"),
        *(
            Parameter(
                f"{name}{suffix}",
                kinds.TEXT,
                "",
                meaning + verbose,
                shown=f"as {name}" if suffix else shown,
            )
            for suffix, verbose in (("", ""), ("_verbose", ", under -v"))
            for name, meaning, shown in (
                ("logfmt_file", "line format of the file", LOG_FORMAT),
                ("logfmt_console", "line format on stderr", LOG_FORMAT),
                ("logdatefmt_file", "date format of the file", "date and time"),
                ("logdatefmt_console", "date format on stderr", "date and time"),
            )
        ),
        Parameter(
            "use_skylog",
            kinds.COUNT,
            "0",
            "load a Python logging config: 0 no; 1 unless on a terminal; 2 always",
        ),
        Parameter(
            "skylog_locations",
            kinds.WORDS,
            "skylog.ini, ~/.skylog.ini, /etc/skylog.ini",
            "where it is looked for; the first one found counts",
        ),
    ),
)

_MOVING = _process(
    "1.0", "the config file's base name; in a section [queue_mover] the section's name"
)

_SYNTAX = Group(
    "The file itself",
    (
        Parameter(
            "config_format",
            kinds.COUNT,
            "1",
            "1: values may refer to others as %(key)s; 2: as ${key} or ${section:key}",
        ),
    ),
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
        Parameter("retry_delay", kinds.SECONDS, "30", "between looks at the retry queue"),
        Parameter(
            "ticker_log_delay",
            kinds.SECONDS,
            "300",
            "between lines of the ticker that count its ticks: {ticks: N}",
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
            "PgQ without an extension: its pgq_pl_only.sql",
            shown="looked for in the local PostgreSQL",
        ),
    ),
)

_STATUS = Group(
    "What status says",
    (
        Parameter(
            "trouble_after",
            kinds.SECONDS,
            "300",
            "events that have waited longer than this count as trouble in pgqadm status",
        ),
    ),
)

_HTTP = Group(
    "Metrics and a page over HTTP",
    (
        Parameter(
            "http_listen",
            kinds.ADDRESS,
            "",
            "address and port for /metrics, /healthz, /status.json and a page, such as"
            " 127.0.0.1:9632; needs pip install 'queue-mover[metrics]'",
            shown="off",
        ),
        Parameter(
            "http_token_file",
            kinds.FILE,
            "",
            "file with the token that clients must send; required unless http_listen is on"
            " loopback",
            shown="none",
        ),
    ),
)

MOVER: tuple[Group, ...] = (_ROUTE, _BATCHES, _MOVING, _LOG, _MANY, _STATUS, _HTTP, _SYNTAX)
"""Section [queue_mover3], or [queue_mover]."""

SERVICE: tuple[Group, ...] = (_MOVING, _LOG, _MANY, _HTTP, _SYNTAX)
"""What does not differ from source to source."""

SOURCE: tuple[Group, ...] = (_ROUTE, _BATCHES, _MOVING, _STATUS)
"""What a section [source:NAME] may set."""

CATALOGUE: tuple[Group, ...] = (_CATALOGUE,)
"""Section [sources]."""

ADMIN: tuple[Group, ...] = (_ADMIN, _process("0.1"), _LOG, _STATUS, _SYNTAX)
"""Section [pgqadm]."""

RETIRED = ("idle_interval", "max_events", "max_lag")
"""Keys that old files of pgqadm set and that have had no effect for long: neither told about nor
suggested."""

TWINS = {
    key: twin
    for group in SOURCE
    for parameter in group.parameters
    if parameter.older
    for key, twin in ((parameter.older, parameter.name), (parameter.name, parameter.older))
}
"""For a key, another spelling of it."""

AUTOMATIC = ("service_name", "host_name", "config_dir", "config_file", "source")
"""Set by the program; a file may use them as %(x)s, and may set them."""
