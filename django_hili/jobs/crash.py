"""Named points at which a test may ask this process to die or to freeze. They do nothing otherwise.

`HILI_CRASH_AT=name` kills the process with SIGKILL the first time it passes that point, the
way a power cut or the kernel's memory killer would: no clean-up of any kind runs.
`HILI_PAUSE_AT=name` stops it there with SIGSTOP, the way a laptop's lid or a frozen virtual
machine would: it goes on, unaware of the time that has passed, when it is told to.
"""

from __future__ import annotations

import os
import signal

_CRASH_AT = os.environ.get("HILI_CRASH_AT", "")
_PAUSE_AT = os.environ.get("HILI_PAUSE_AT", "")


def crash_point(name: str) -> None:
    """Die or freeze here if a test asked for it."""
    if _CRASH_AT and name == _CRASH_AT:
        os.kill(os.getpid(), signal.SIGKILL)
    if _PAUSE_AT and name == _PAUSE_AT:
        os.kill(os.getpid(), signal.SIGSTOP)
