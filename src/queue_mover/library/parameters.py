"""The parameters of a mover as keyword arguments: keys of the table that mean something here."""

from typing import TypedDict

from queue_mover.config.parameters import SOURCE


class Parameters(TypedDict, total=False):
    """Each is a key of the config file, with the same meaning and default."""

    src_db: str
    dst_db: str
    queue_name: str
    dst_queue_name: str
    dst_queue_field: str
    create_dst_queue: bool
    consumer_name: str
    auto_register: bool
    table_filter: str
    src_flavour: str
    dst_flavour: str
    keep_event_id: bool
    event_filter: str
    ev_type: str
    ev_data: str
    ev_extra1: str
    ev_extra2: str
    ev_extra3: str
    ev_extra4: str
    ev_time: str
    max_batch_events: int
    pgq_batch_collect_events: int
    pgq_batch_collect_interval: str
    pgq_keep_lag: str
    on_bad_event: str
    write_with: str
    job_name: str
    loop_delay: float
    connection_lifetime: float


NOT_HERE = frozenset(
    {
        "pgq_lazy_fetch",
        "pgq_autocommit",
        "pidfile",
        "exception_sleep",
        "exception_quiet",
        "exception_grace",
        "exception_reset",
        "keepalive_stats",
        "trouble_after",
    }
)
"""Keys of a source that are about a process, its log or its status, or have no effect."""

NAMES = tuple(
    parameter.name
    for group in SOURCE
    for parameter in group.parameters
    if parameter.name not in NOT_HERE
)
