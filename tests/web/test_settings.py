"""http_listen and http_token_file: what is refused at the start, and what a reload changes."""

import base64
import os
import socket
import sys
from pathlib import Path

import pytest

from queue_mover.config.http import Address, parse_address
from testbed.processes import run, wait_until
from testbed.procfs import child_processes
from tests.command.test_reload import reload
from tests.command.world import World
from tests.web.site import PATIENCE, Site

TOKEN = "a-word-that-nobody-guesses"


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:9632", Address("127.0.0.1", 9632)),
        ("[::1]:9632", Address("::1", 9632)),
        ("localhost:1", Address("localhost", 1)),
        ("", None),
    ],
)
def test_addresses(text: str, expected: Address | None) -> None:
    assert parse_address(text) == expected
    assert str(expected or "") == text


@pytest.mark.parametrize(
    "text", ["9632", ":9632", "here", "here:", "here:0", "here:65536", "::1:9632", "a b:1", "h:-1"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        parse_address(text)


def refusal(world: World, **changes: object) -> str:
    """What a start says that is refused: one line, without a traceback."""
    result = world.run(**changes)
    assert result.returncode == 1
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    return lines[0]


def test_an_address_in_use(world: World, site: Site) -> None:
    with socket.create_server((site.host, site.port)):
        line = refusal(world)
    assert f"http_listen = {site.address}: Address already in use; remedy: another port" in line


def test_a_daemon_says_so_on_its_terminal(world: World, site: Site) -> None:
    with socket.create_server((site.host, site.port)):
        result = world.run("-d")
    assert result.returncode == 1
    assert "Address already in use" in result.stderr
    assert not world.pidfile.exists()


def test_an_address_of_another_machine(world: World) -> None:
    assert "Cannot assign requested address" in refusal(world, http_listen="192.0.2.1:9632")


def test_an_address_for_others_needs_a_token(world: World, site: Site) -> None:
    line = refusal(world, http_listen=f"0.0.0.0:{site.port}")
    assert "other machines can reach it; remedy: set http_token_file" in line


@pytest.mark.parametrize(
    ("text", "mode", "expected"),
    [
        (None, 0o600, "No such file or directory; remedy: (umask 077; openssl rand"),
        (TOKEN, 0o644, "accessible to every user of this machine; remedy: chmod o-rw"),
        ("short", 0o600, "must hold one word of 16 characters or more"),
        ("two words that are long enough", 0o600, "must hold one word"),
        ("", 0o600, "must hold one word"),
    ],
)
def test_a_token_file_that_is_none(
    world: World, site: Site, tmp_path: Path, text: str | None, mode: int, expected: str
) -> None:
    path = tmp_path / "bad_token"
    if text is not None:
        path.write_text(text)
        path.chmod(mode)
    line = refusal(world, http_token_file=path)
    assert f"http_token_file: {path}: " in line
    assert expected in line
    assert not text or text not in line


def test_the_token_is_asked_for_on_every_path_that_tells_something(
    world: World, site: Site, token_file: Path
) -> None:
    world.start(http_listen=f"0.0.0.0:{site.port}", http_token_file=token_file)
    site.wait()
    basic = base64.b64encode(f"anyone:{TOKEN}".encode()).decode()
    for path in ("/", "/metrics", "/healthz", "/status.json", "/nothing"):
        refused = site.get(path)
        assert refused.status == 401
        assert refused.headers["www-authenticate"].startswith("Basic")
        for wrong in ("Bearer x", f"Bearer {TOKEN}x", "Basic ???", f"Digest {TOKEN}", TOKEN):
            assert site.get(path, Authorization=wrong).status == 401
        assert site.get(path, Authorization=f"Bearer {TOKEN}").status != 401
        assert site.get(path, Authorization=f"Basic {basic}").status != 401
    assert TOKEN not in str(site.get("/", Authorization=f"Bearer {TOKEN}"))


def test_a_reload_moves_it_and_ends_it(world: World, site: Site) -> None:
    # given
    process = world.start()
    site.wait()
    # when it gets another address
    other = Site()
    reload(world, process, http_listen=other.address)
    # then
    other.wait()
    wait_until(lambda: not site.answers(), PATIENCE, "the end of the old address")
    assert other.status()["sources"][0]["source"] == world.job
    # when it has none any more
    reload(world, process, http_listen=None)
    # then
    wait_until(lambda: not other.answers(), PATIENCE, "the end of it")
    # and again
    reload(world, process)
    site.wait()
    assert process.stop() == 0


def test_a_reload_to_an_address_in_use_keeps_the_old_one(world: World, site: Site) -> None:
    process = world.start()
    site.wait()
    taken = Site()
    with socket.create_server((taken.host, taken.port)):
        reload(world, process, http_listen=taken.address)
        world.logged(f"ERROR http_listen = {taken.address}: Address already in use")
    assert site.answers()
    world.produce(1)
    world.wait_for_events(1)
    assert process.stop() == 0


def test_a_reload_opens_the_same_port_to_others_only_with_a_token(
    world: World, site: Site, token_file: Path
) -> None:
    process = world.start()
    site.wait()
    everywhere = f"0.0.0.0:{site.port}"
    # when there is no token
    reload(world, process, http_listen=everywhere)
    # then it stays as it was
    world.logged("other machines can reach it")
    site.wait()
    assert site.get("/healthz").status == 200
    # when there is one
    reload(world, process, http_listen=everywhere, http_token_file=token_file)
    # then it is asked for
    world.logged(f"HTTP: listening on http://{everywhere}/")
    wait_until(lambda: site.get("/healthz").status == 401, PATIENCE, "401")
    assert process.stop() == 0


def test_a_reload_takes_a_new_token(world: World, site: Site, token_file: Path) -> None:
    process = world.start(http_token_file=token_file)
    site.wait()
    newer = TOKEN[::-1]
    token_file.write_text(newer)
    reload(world, process, http_token_file=token_file)
    assert site.get("/healthz", Authorization=f"Bearer {TOKEN}").status == 401
    assert site.get("/healthz", Authorization=f"Bearer {newer}").status == 200
    # and one that cannot be used changes nothing
    token_file.chmod(0o644)
    reload(world, process, http_token_file=token_file)
    world.logged("accessible to every user of this machine")
    assert site.get("/healthz", Authorization=f"Bearer {newer}").status == 200


def test_a_change_of_the_address_leaves_the_movers_alone(world: World, site: Site) -> None:
    process = world.start()
    world.produce(1)
    world.wait_for_events(1)
    before = world.backends(world.source)
    reload(world, process, http_listen=None)
    world.produce(1, first=2)
    world.wait_for_events(2)
    assert world.backends(world.source) == before


def test_without_its_package_it_names_the_command_that_installs_it(
    world: World, site: Site
) -> None:
    program = (
        "import sys; sys.modules['prometheus_client'] = None;"
        "from queue_mover.cli.queue_mover3 import main; sys.exit(main())"
    )
    result = run([sys.executable, "-c", program, world.write()], timeout=PATIENCE)
    assert result.returncode == 1
    assert result.stderr.strip().endswith("remedy: pip install 'queue-mover[metrics]'")
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_mover_that_does_without_loads_nothing_of_it(world: World) -> None:
    program = (
        "import sys; from queue_mover.cli.queue_mover3 import main; code = main();"
        "print([name for name in sys.modules if 'prometheus' in name or '.web.' in name"
        " or name == 'http.server']); sys.exit(code)"
    )
    world.register()
    world.produce(1)
    result = run(
        [sys.executable, "-c", program, world.write(loop_delay=0)],
        timeout=PATIENCE,
        env=dict(os.environ),
    ).check()
    assert result.stdout.strip() == "[]"


def test_a_stop_ends_it_with_the_mover(world: World, site: Site) -> None:
    """And leaves nobody behind who still looks."""
    process = world.start()
    site.wait()
    assert process.stop() == 0
    assert not site.answers()
    assert child_processes(process.pid) == []
