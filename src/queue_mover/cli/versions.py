"""--version: of the program, of what it runs on, and of what it works with."""

import argparse
import platform
from typing import Any

import psycopg

from queue_mover.pgq.schema_version import SCHEMA_VERSION


def versions(program: str) -> str:
    """The program in the first line, which scripts read; what belongs to it in the others."""
    # Not what every command needs.
    from queue_mover.admin import install_pgque  # noqa: PLC0415
    from queue_mover.observation.environment_findings import OLDEST_SERVER  # noqa: PLC0415

    libpq = psycopg.pq.version()
    return "\n".join(
        [
            program,
            f"runs on Python {platform.python_version()}, psycopg {psycopg.__version__}"
            f" ({psycopg.pq.__impl__}), libpq {libpq // 10000}.{libpq % 10000}",
            f"works with PostgreSQL {OLDEST_SERVER // 10000} or later and PgQ 3, or PostgreSQL"
            f" {install_pgque.OLDEST_SERVER} or later and PgQue",
            f"installs version {SCHEMA_VERSION} of the schemas pgq_ext and queue_mover",
        ]
    )


class VersionAction(argparse.Action):
    """Prints the versions, and ends the program."""

    def __init__(self, option_strings: list[str], dest: str, **options: Any) -> None:
        options["help"] = "show program's version number and exit"
        super().__init__(option_strings, argparse.SUPPRESS, **options)

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        """Of argparse: the switch was given."""
        print(versions(parser.get_default("program")))
        parser.exit()
