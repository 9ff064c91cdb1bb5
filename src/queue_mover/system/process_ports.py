"""Which TCP ports a process of this machine uses: by them a server's sessions are told apart."""

from contextlib import suppress
from pathlib import Path


def local_ports(pid: int) -> frozenset[int]:
    """The local ports of a process's TCP connections; empty where the system does not say.

    Only the user of the process and root are told.
    """
    inodes = set()
    with suppress(OSError):
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                inodes.add(str(descriptor.readlink()))
    return frozenset(
        port
        for table in ("tcp", "tcp6")
        for port, inode in _connections(Path(f"/proc/{pid}/net/{table}"))
        if f"socket:[{inode}]" in inodes
    )


def _connections(table: Path) -> list[tuple[int, str]]:
    """Local port and inode of each line of the kernel's table."""
    try:
        lines = table.read_text().splitlines()[1:]
    except OSError:
        return []
    words = (line.split() for line in lines)
    return [(int(each[1].rpartition(":")[2], 16), each[9]) for each in words if len(each) > 9]
