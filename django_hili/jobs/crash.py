"""Named points at which a test may ask this process to die. They do nothing otherwise.

`HILI_CRASH_AT=name` kills the process with SIGKILL the first time it passes that point, the
way a power cut or the kernel's memory killer would: no clean-up of any kind runs.
"""

from __future__ import annotations

import os
import signal

_CRASH_AT = os.environ.get("HILI_CRASH_AT", "")


def crash_point(name: str) -> None:
    """Die here if a test asked for it."""
    if _CRASH_AT and name == _CRASH_AT:
        os.kill(os.getpid(), signal.SIGKILL)
