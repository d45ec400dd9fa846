"""A site that has django-hili installed pays for it when it uses it, not at start-up."""

from __future__ import annotations

import subprocess
import sys

from tests.processes import ROOT

_LOADED = """
import django; django.setup()
import django_hili
from django.urls import get_resolver
import sys
print(*sorted(sys.modules))
"""


def test_starting_a_site_loads_no_heavy_library(tmp_path):
    import os

    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "HILI_TEST_DIR": str(tmp_path),
        "PYTHONPATH": str(ROOT),
    }
    output = subprocess.run(
        [sys.executable, "-c", _LOADED], env=environment, capture_output=True, text=True, check=True
    ).stdout.split()
    assert "django_hili.models" in output
    heavy = {"numpy", "httpx", "PIL.JpegImagePlugin", "PIL.PngImagePlugin", "onnxruntime"}
    assert heavy & set(output) == set()
