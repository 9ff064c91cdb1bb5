"""A connection for which the system has no file descriptor."""

import errno

import pytest

from queue_mover.errors import UnavailableError
from queue_mover.postgres.translation import translating_errors


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_too_many_open_files_are_retried_with_the_remedy(number: int) -> None:
    with pytest.raises(UnavailableError) as refused, translating_errors("source"):
        raise OSError(number, "psycopg waits with another descriptor")
    assert str(refused.value) == (
        "source database not available: too many open files;"
        " remedy: raise the limit (ulimit -n, LimitNOFILE=)"
    )
    assert (refused.value.place, refused.value.kind) == ("source database", "too many open files")


def test_any_other_error_of_the_system_passes_unchanged() -> None:
    with pytest.raises(OSError, match="disk") as passed, translating_errors("source"):
        raise OSError(errno.EIO, "disk")
    assert type(passed.value) is OSError
