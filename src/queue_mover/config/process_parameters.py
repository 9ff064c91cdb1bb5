"""Parameters that both commands have: of the process, its log and the file."""

from queue_mover.config import kinds
from queue_mover.config.schema import Group, Parameter
from queue_mover.system.logs import LOG_FORMAT


def process(loop_delay: str, named_after: str = "the config file's base name") -> Group:
    """Parameters with the defaults of a command."""
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
                "longest wait before a retry after an error; waits double from 1 s",
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
                "an error streak ends after this long without an error",
            ),
        ),
    )


LOG = Group(
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
        Parameter(
            "log_format",
            kinds.choice("text", "json"),
            "text",
            "json: an object per line, in the file and on stderr; logfmt_* and logdatefmt_* then"
            " have no effect",
        ),
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
            "where to look for it; the first file found is used",
        ),
    ),
)

SYNTAX = Group(
    "The config file",
    (
        Parameter(
            "config_format",
            kinds.COUNT,
            "1",
            "1: values may refer to others as %(key)s; 2: as ${key} or ${section:key}",
        ),
    ),
)

STATUS = Group(
    "Status",
    (
        Parameter(
            "trouble_after",
            kinds.SECONDS,
            "300",
            "pgqadm status reports events that have waited longer than this",
        ),
    ),
)

HTTP = Group(
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
