"""Whatever comes over HTTP, the mover moves, and honest clients are answered."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from queue_mover.reporting.web.server import CONNECTIONS, LARGEST_HEAD
from testbed.processes import wait_until
from tests.command.world import World
from tests.web.site import PATIENCE, Site

MEGABYTE = 2**20


@pytest.fixture
def moving(world: World, site: Site) -> Iterator[Site]:
    """A mover that works; it is stopped in the end, and must have moved all and lost nothing."""
    process = world.start()
    world.produce(1)
    world.wait_for_events(1)
    site.wait()
    yield site
    assert process.stop() == 0
    assert world.identical()
    assert "Traceback" not in world.log


def status(answer: bytes) -> bytes:
    """The code of an answer; b"" where there was none."""
    return b"" if not answer else answer.split(b" ", 2)[1]


@pytest.mark.parametrize(
    ("request_line", "expected"),
    [
        (b"GET /livez HTTP/1.0\r\n\r\n", b"200"),
        (b"POST /livez HTTP/1.0\r\n\r\n", b"405"),
        (b"TRACE / HTTP/1.1\r\nX-Evil: reflected\r\n\r\n", b"405"),
        (b"GET /livez HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello", b"413"),
        (b"GET /livez HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"413"),
        (b"GET /no/such HTTP/1.0\r\n\r\n", b"404"),
        (b"GET /../../etc/passwd HTTP/1.0\r\n\r\n", b"404"),
        (b"GET / HTTP/9.9\r\n\r\n", b"505"),
        (b"evil evil evil evil\r\n\r\n", b"400"),
        (b"GET /livez HTTP/1.0\r\n" + b"A: b\r\n" * 200 + b"\r\n", b"431"),
        (b"GET /" + b"x" * (LARGEST_HEAD + 1) + b" HTTP/1.0\r\n\r\n", b"431"),
        (b"GET / HTTP/1.0\r\nX: " + b"x" * MEGABYTE + b"\r\n\r\n", b"431"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),
    ],
    ids=range(13),
)
def test_a_request_is_answered_by_its_code_alone(
    moving: Site, request_line: bytes, expected: bytes
) -> None:
    answer = moving.raw(request_line)
    # Where more was sent than is read, the answer may be lost with the connection.
    assert status(answer) in ((expected, b"") if len(request_line) > LARGEST_HEAD else (expected,))
    assert b"evil" not in answer.lower()
    assert b"reflected" not in answer
    assert b"Python" not in answer


def test_every_answer_has_the_headers_that_bind_a_browser(moving: Site) -> None:
    for path in ("/", "/metrics", "/healthz", "/livez", "/status.json", "/nothing"):
        headers = moving.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["cache-control"] == "no-store"
        assert headers["server"] == "queue_mover"


def test_head_is_get_without_the_body(moving: Site) -> None:
    assert moving.get("/livez", "HEAD").text == ""
    assert moving.get("/livez", "HEAD").headers["content-length"] == "3"


def test_a_page_from_elsewhere_cannot_read_it_by_a_name_of_its_own(moving: Site) -> None:
    """A name in the web may lead to 127.0.0.1."""
    assert moving.get("/status.json", Host="evil.example").status == 403
    assert moving.get("/", Host=f"localhost:{moving.port}").status == 200
    assert moving.get("/", Host=f"[::1]:{moving.port}").status == 200


def test_clients_that_say_nothing_are_cut_and_others_get_their_turn(
    world: World, moving: Site
) -> None:
    """Given many more connections than are served at once, each sending a byte now and then."""
    with contextlib.ExitStack() as stack:
        slow = []
        for _ in range(2 * CONNECTIONS):
            with contextlib.suppress(OSError):
                slow.append(socket.create_connection((moving.host, moving.port), timeout=0.5))
                stack.enter_context(slow[-1])
        assert len(slow) > CONNECTIONS
        dripping = threading.Event()
        stack.callback(dripping.set)
        threading.Thread(target=drip, args=(slow, dripping), daemon=True).start()
        # when the mover has work meanwhile
        world.produce(100, first=2)
        # then
        world.wait_for_events(101)
        assert moving.get("/livez").status == 200


def drip(connections: list[socket.socket], end: threading.Event) -> None:
    """Send a header for ever."""
    while not end.wait(0.2):
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.sendall(b"x")


def test_a_flood_of_requests_keeps_no_event_back(world: World, moving: Site) -> None:
    """Given clients that ask for everything as fast as they can, when events come, they arrive;
    and the rate of answers has its bound."""
    end, answered = threading.Event(), list[int]()
    threads = [
        threading.Thread(target=flood, args=(moving, end, answered), daemon=True) for _ in range(20)
    ]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for number in range(10):
        world.produce(50, first=2 + 50 * number)
    world.wait_for_events(501)
    end.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert answered
    assert len(answered) < 100 + 60 * (time.monotonic() - began)
    wait_until(moving.answers, PATIENCE, "an answer after the flood")


def flood(site: Site, end: threading.Event, answered: list[int]) -> None:
    """Ask without a pause."""
    paths = ("/", "/metrics", "/status.json", "/healthz")
    while not end.is_set():
        for path in paths:
            with contextlib.suppress(OSError):
                answered.append(site.get(path).status)
