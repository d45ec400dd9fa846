"""Owns the import of onnxruntime, with its reports to its maker switched off.

Since 1.29 the published builds report every process and every model to their maker, and keep an
identifier of the machine in the user's folder; nothing of that may happen where photos are.
Clauses C04: HILI-1.4, HILI-3.1.3, AIART-3.1b, PIXEL-5.1c. C08: HILI-0.3, HILI-1.4.
"""

from __future__ import annotations

import os
from typing import Any

# Read once, when the library starts: an environment variable is the only switch it obeys in full.
SILENT = {"ORT_DISABLE_TELEMETRY": "1", "ORT_TELEMETRY_DISABLED": "1"}
"""The second is its name in versions before the first."""


def onnxruntime() -> Any:
    """Return the optional library, silenced. Raises `ImportError` where it is missing."""
    os.environ.update(SILENT)
    import onnxruntime as library

    library.disable_telemetry_events()
    return library
