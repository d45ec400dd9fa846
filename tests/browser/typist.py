"""Runs a command under a terminal of its own and presses Ctrl-C once it has said something.

    python -m tests.browser.typist WORDS COMMAND…

Prints what the command printed and ends with its exit code. A process of its own, because taking a
terminal means forking, which a test run with threads should not do.
"""

from __future__ import annotations

import os
import pty
import sys

CTRL_C = b"\x03"


def main(words: bytes, command: list[str]) -> int:
    """Run, wait for the words, press Ctrl-C, wait for the end."""
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(command[0], command)
    said = b""
    pressed = False
    while piece := _read(terminal):
        said += piece
        if not pressed and words in said:
            os.write(terminal, CTRL_C)
            pressed = True
    _, status = os.waitpid(child, 0)
    sys.stdout.buffer.write(said)
    return os.waitstatus_to_exitcode(status) if pressed else 99


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # the other side is closed
        return b""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1].encode(), sys.argv[2:]))
