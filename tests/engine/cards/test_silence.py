"""The library that runs models tells its maker nothing and leaves no trace of the machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT

OURS = "from django_hili.engine.cards.library import onnxruntime; onnxruntime()"
UNTAMED = "import onnxruntime"


def traces(code: str, home: Path) -> list[str]:
    """Return what a process that runs `code` leaves in its home and its temporary folder."""
    home.mkdir()
    keep = {k: v for k, v in os.environ.items() if k not in {"CI", "GITHUB_ACTIONS"}}
    places = {"HOME": str(home), "TMPDIR": str(home), "XDG_CACHE_HOME": str(home)}
    for name in ("ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED"):
        keep.pop(name, None)
    environment = {**keep, **places, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=60)
    return sorted(path.name for path in home.rglob("*"))


@pytest.mark.clause("HILI-1.4", "HILI-3.1.3", "AIART-3.1b", "PIXEL-5.1c", "HILI-0.3")
def test_nothing_is_left_behind(tmp_path: Path) -> None:
    if not traces(UNTAMED, tmp_path / "untamed"):
        pytest.skip("this build of onnxruntime reports nothing by itself")
    assert traces(OURS, tmp_path / "ours") == []
