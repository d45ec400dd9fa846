"""Named points at which a test may ask this process to die or to freeze. They do nothing otherwise.

`HILI_CRASH_AT=name` kills the process with SIGKILL the first time it passes that point, the
way a power cut or the kernel's memory killer would: no clean-up of any kind runs.
`HILI_PAUSE_AT=name` stops it there with SIGSTOP, the way a laptop's lid or a frozen virtual
machine would: it goes on, unaware of the time that has passed, when it is told to.
`name:5` means the fifth time, so that a worker with many photos in hand can be met anywhere.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass


@dataclass(slots=True)
class _Trap:
    """A point, and how many times it is still passed unharmed."""

    name: str
    left: int

    @classmethod
    def read(cls, text: str) -> _Trap:
        """Read `name` or `name:times`."""
        name, _, times = text.partition(":")
        return cls(name, int(times or 1))

    def springs_at(self, name: str) -> bool:
        """Count one passage and say whether this is the one."""
        if name != self.name:
            return False
        self.left -= 1
        return self.left == 0


_crash = _Trap.read(os.environ.get("HILI_CRASH_AT", ""))
_pause = _Trap.read(os.environ.get("HILI_PAUSE_AT", ""))


def crash_point(name: str) -> None:
    """Die or freeze here if a test asked for it."""
    if _crash.name and _crash.springs_at(name):
        os.kill(os.getpid(), signal.SIGKILL)
    if _pause.name and _pause.springs_at(name):
        os.kill(os.getpid(), signal.SIGSTOP)
