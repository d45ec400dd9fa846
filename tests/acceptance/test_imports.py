"""A site that has django-hili installed pays for it when it uses it, not at start-up."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from itertools import chain

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


_PROVIDES = {"rest_framework": "djangorestframework", "django_q": "django-q2", "PIL": "pillow"}
"""What is imported under another name than it is installed by."""


def test_what_is_imported_is_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    declared = {re.split(r"[\[><=]", line)[0] for line in named} | {"django_hili"}
    imported = set()
    for path in (ROOT / "django_hili").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.partition(".")[0])
    foreign = imported - set(sys.stdlib_module_names)
    assert len(foreign) > 8
    assert {_PROVIDES.get(name, name) for name in foreign} <= declared
