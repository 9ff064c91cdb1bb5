"""What a running mover answers over HTTP."""

import json
from pathlib import Path

from testbed.processes import Result, run, script, wait_until
from tests.command.world import World
from tests.observation.test_document import check, checked, tables
from tests.web.site import PATIENCE, Site


def moved(world: World, site: Site, count: int) -> None:
    """Start it, and have it move a batch of so many events."""
    world.start()
    world.produce(count)
    world.wait_for_events(count)
    wait_until(
        lambda: site.metric("events_total", source=world.job) == count, PATIENCE, "the count"
    )


def test_nothing_listens_where_nothing_asks_for_it(world: World, site: Site) -> None:
    process = world.start(http_listen=None)
    assert not site.answers()
    assert process.stop() == 0


def test_metrics_count_what_was_moved(world: World, site: Site) -> None:
    # when
    moved(world, site, 7)
    # then
    mine = {"job": world.job, "source": world.job}
    assert site.metric("batches_total", **mine) == 1
    assert (site.metric("copied_bytes_total", **mine) or 0) > 7 * 50
    assert site.metric("batch_duration_seconds_count", **mine) == 1
    assert site.metric("batch_duration_seconds_bucket", le="+Inf", **mine) == 1
    assert site.metric("healthy", **mine) == 1
    assert site.metric("standby", **mine) == 0
    assert site.metric("connections", side="source") == 1
    assert site.metric("connections", side="target") == 1
    assert site.metric("build_info", version="4.0.0", job=world.job) == 1
    # The databases are polled in the background.
    wait_until(
        lambda: site.metric("backlog_events", **mine) is not None, PATIENCE, "the first poll"
    )


def test_lag_and_backlog_come_from_the_databases(world: World, site: Site) -> None:
    """Given a batch that cannot arrive, then its events are the backlog."""
    with world.stalled_batch(5):
        wait_until(lambda: (site.metric("backlog_events") or 0) >= 5, PATIENCE, "the backlog")
        assert (site.metric("lag_seconds") or 0) > 0


def test_the_status_is_that_of_pgqadm(world: World, site: Site) -> None:
    # given
    moved(world, site, 3)
    command: list[str | Path] = [script("pgqadm"), "status", "--movers", world.config, "--json"]
    # when
    told = checked(run(command, cwd=world.directory, timeout=PATIENCE))
    answer = site.get("/status.json")
    # then
    assert answer.headers["content-type"] == "application/json"
    document = json.loads(answer.text)
    check(document, tables()["The document"])
    assert [source["source"] for source in document["sources"]] == [world.job]
    assert list(document["sources"][0]) == list(told["sources"][0])
    assert document["version"] == told["version"]
    assert checked(Result((), document["exit_code"], answer.text, "")) == document


def test_health_while_it_works(world: World, site: Site) -> None:
    moved(world, site, 1)
    assert site.get("/healthz").status == 200
    assert site.get("/livez").text == "ok\n"


def test_health_names_what_fails_and_what_to_do(world: World, site: Site) -> None:
    """Given a mover whose target queue goes away, then 503 says so; the process lives."""
    moved(world, site, 1)
    # when
    world.target.execute("select pgq.drop_queue(%s)", [world.target_queue])
    world.produce(1, first=2)
    # then
    wait_until(lambda: site.get("/healthz").status == 503, PATIENCE, "503")
    text = site.get("/healthz").text
    assert text.startswith(f"{world.job}: failing: target database: no queue")
    assert "; remedy: " in text
    assert site.get("/livez").status == 200
    assert site.metric("errors_total", source=world.job, kind="not_ready")
    page = site.get("/").text
    assert f"no queue &quot;{world.target_queue}&quot;" in page
    assert 'class="remedy"' in page


def test_a_standby_is_healthy(world: World, site: Site) -> None:
    """Given two movers of one consumer, when a batch waits, then one stands by, in health."""
    other = Site()
    with world.stalled_batch(1):
        world.settings["pidfile"] = world.directory / "second.pid"
        world.launch(world.write(http_listen=other.address), name="second")
        other.wait()
        wait_until(lambda: other.metric("standby") == 1, PATIENCE, "the standby")
        assert other.get("/healthz").status == 200


def test_the_page_names_the_source_and_loads_nothing(world: World, site: Site) -> None:
    moved(world, site, 4)
    answer = site.get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert f"<strong>{world.job}</strong>" in answer.text
    assert "Where is it slow?" in answer.text
    for word in ("<script", "<img", "<link", "src=", "style=", "http://", "https://"):
        assert word not in answer.text


def test_no_password_on_any_path(world: World, site: Site) -> None:
    """Given connect strings with a password, and a source that cannot be reached."""
    secret = "s3cr3t-w0rd"
    src_db = f"host=127.0.0.1 port=1 dbname=app password={secret}"
    process = world.launch(world.write(src_db=src_db))
    site.wait()
    wait_until(lambda: site.get("/healthz").status == 503, PATIENCE, "503")
    for path in ("/", "/?trouble", "/metrics", "/healthz", "/status.json", "/nothing"):
        assert secret not in str(site.get(path)), path
    assert process.stop() == 0
