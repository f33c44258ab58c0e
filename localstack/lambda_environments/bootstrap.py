"""What a fresh interpreter runs (`python -I -S bootstrap.py PARENT PATH...`) to become an execution environment.

Runs in the function's interpreter, so it imports nothing of ours: it ties its life to the parent's, puts layers, code and the
runtime on the path as Lambda does, and hands over to awslambdaric.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Let the kernel kill this process when the parent is gone, however it went."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it went before the line above
        os._exit(1)


if __name__ == "__main__":
    die_with_parent(int(sys.argv[1]))
    sys.path[:0] = [*sys.argv[2:], *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    from awslambdaric.__main__ import main

    sys.argv = ["bootstrap", os.environ["_HANDLER"]]
    main(sys.argv)
