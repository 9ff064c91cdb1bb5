"""The installed commands, in a module of its own name beside the package.

Python looks for modules beside a script first, and there stands the command `queue_mover.py`
(ours, or that of Skytools): it would be taken for the package `queue_mover`.
"""

import os
import sys

if sys.path[:1] == [os.path.dirname(os.path.realpath(sys.argv[0]))]:  # noqa: PTH120 - no pathlib yet
    del sys.path[0]

from queue_mover.cli.start import pgqadm, queue_mover3, queue_splitter3

__all__ = ["pgqadm", "queue_mover3", "queue_splitter3"]
