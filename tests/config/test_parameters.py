"""The keys that operators have in their files, with the defaults they rely on."""

from pathlib import Path

import pytest

from queue_mover.config import parameters
from queue_mover.config.loading import load_admin
from queue_mover.config.schema import Group, Parameter
from tests.config.files import load, only

REQUIRED = None

PROCESS = {
    "job_name": "",
    "pidfile": "",
    "connection_lifetime": "1200",
    "exception_sleep": "20",
    "exception_quiet": "",
    "exception_grace": "300",
    "exception_reset": "900",
    "keepalive_stats": "300",
    "logfile": "",
    "log_size": "10485760",
    "log_count": "3",
    "log_format": "text",
    "logfmt_file": "",
    "logfmt_console": "",
    "logdatefmt_file": "",
    "logdatefmt_console": "",
    "logfmt_file_verbose": "",
    "logfmt_console_verbose": "",
    "logdatefmt_file_verbose": "",
    "logdatefmt_console_verbose": "",
    "use_skylog": "0",
    "skylog_locations": "skylog.ini, ~/.skylog.ini, /etc/skylog.ini",
    "config_format": "1",
    "trouble_after": "300",
}

MOVER = {
    **PROCESS,
    "src_db": REQUIRED,
    "dst_db": REQUIRED,
    "queue_name": REQUIRED,
    "dst_queue_name": REQUIRED,
    "dst_queue_field": "",
    "consumer_name": "%(job_name)s",
    "auto_register": "1",
    "table_filter": "",
    "src_flavour": "",
    "dst_flavour": "",
    "keep_event_id": "0",
    "event_filter": "",
    "ev_type": "",
    "ev_data": "",
    "ev_extra1": "",
    "ev_extra2": "",
    "ev_extra3": "",
    "ev_extra4": "",
    "ev_time": "",
    "create_dst_queue": "0",
    "max_batch_events": "50000",
    "pgq_batch_collect_events": "0",
    "pgq_batch_collect_interval": "",
    "pgq_keep_lag": "",
    "on_bad_event": "stop",
    "write_with": "copy",
    "include": "",
    "dst_connections": "4",
    "share_transactions": "1",
    "refresh": "300",
    "http_listen": "",
    "http_token_file": "",
    "pgq_lazy_fetch": "300",
    "pgq_autocommit": "0",
    "loop_delay": "1.0",
}

CATALOGUE = {"list_db": REQUIRED, "list_sql": REQUIRED, "refresh": "300"}

ADMIN = {
    **PROCESS,
    "db": REQUIRED,
    "maint_delay": "600",
    "maint_delay_min": "",
    "retry_delay": "30",
    "ticker_log_delay": "300",
    "queue_refresh_period": "30",
    "pgq_sql": "",
    "flavour": "",
    "pgque_sql": "",
    "loop_delay": "0.1",
}

OLDER = {
    "queue_name": "pgq_queue_name",
    "dst_queue_field": "queue_field",
    "consumer_name": "pgq_consumer_id",
}


def table(groups: tuple[Group, ...]) -> dict[str, Parameter]:
    return {parameter.name: parameter for group in groups for parameter in group.parameters}


@pytest.mark.parametrize(("name", "default"), MOVER.items())
def test_mover_has_each_key_with_its_default(name: str, default: str | None) -> None:
    assert table(parameters.MOVER)[name].default == default


@pytest.mark.parametrize(("name", "default"), ADMIN.items())
def test_admin_has_each_key_with_its_default(name: str, default: str | None) -> None:
    assert table(parameters.ADMIN)[name].default == default


def test_the_catalogue_has_its_keys() -> None:
    defaults = {name: key.default for name, key in table(parameters.CATALOGUE).items()}
    assert defaults == CATALOGUE


def test_there_is_no_key_that_is_not_specified() -> None:
    assert set(table(parameters.MOVER)) == set(MOVER)
    assert set(table(parameters.ADMIN)) == set(ADMIN)


def test_some_keys_have_an_older_spelling() -> None:
    spellings = {name: key.older for name, key in table(parameters.MOVER).items() if key.older}
    assert spellings == OLDER


@pytest.mark.parametrize("groups", [parameters.MOVER, parameters.ADMIN], ids=["mover", "admin"])
def test_no_key_stands_twice_and_each_has_a_meaning(groups: tuple[Group, ...]) -> None:
    keys = [parameter for group in groups for parameter in group.parameters]
    assert len(keys) == len(table(groups))
    assert [key.name for key in keys if not key.meaning] == []


@pytest.mark.parametrize("groups", [parameters.MOVER, parameters.ADMIN], ids=["mover", "admin"])
def test_defaults_are_values_of_their_kind(groups: tuple[Group, ...]) -> None:
    for key in table(groups).values():
        if key.default is not None:
            key.kind.parse(key.default)


def test_a_file_with_the_required_keys_alone(tmp_path: Path) -> None:
    settings = load(tmp_path)
    process, log, mover = settings.process, settings.log, only(settings)
    assert (mover.src_db, mover.dst_db) == ("dbname=here", "dbname=there")
    assert (mover.route.queue, mover.route.target_queue) == ("from_here", "to_here")
    assert (mover.route.consumer, mover.route.tables) == ("mover", ())
    assert mover.policy.auto_register
    assert (mover.limits.max_events, mover.limits.min_events) == (50000, 0)
    assert (mover.limits.min_interval, mover.limits.keep_lag) == ("", "")
    assert (process.job_name, process.pidfile, process.loop_delay) == ("mover", None, 1.0)
    assert (process.exception_sleep, process.exception_quiet) == (20.0, ())
    assert (process.exception_grace, process.exception_reset) == (300.0, 900.0)
    assert (process.connection_lifetime, process.keepalive_stats) == (1200.0, 300.0)
    assert (log.logfile, log.log_size, log.log_count, log.use_skylog) == (None, 10485760, 3, 0)
    assert log.skylog_locations == ("skylog.ini", "~/.skylog.ini", "/etc/skylog.ini")
    assert settings.warnings == ()


def test_an_admin_file_with_the_required_key_alone(tmp_path: Path) -> None:
    path = tmp_path / "ticker.ini"
    path.write_text("[pgqadm]\ndb = dbname=here\n")
    settings = load_admin(path, {})
    assert (settings.db, settings.process.job_name) == ("dbname=here", "ticker")
    assert (settings.maint_delay, settings.process.loop_delay) == (600.0, 0.1)
    assert settings.warnings == ()


@pytest.mark.parametrize(
    ("loop_delay", "looping"), [("1.0", True), ("0.1", True), ("0", False), ("-1", False)]
)
def test_a_loop_delay_of_zero_or_less_does_not_loop(
    tmp_path: Path, loop_delay: str, looping: bool
) -> None:
    assert load(tmp_path, f"loop_delay = {loop_delay}").process.looping is looping
