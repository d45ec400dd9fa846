"""The reference pages and the code say the same."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

from django_hili.codes import SENTENCES, Code
from django_hili.conf import (
    HiliSettings,
    LimitSettings,
    PrivacySettings,
    WorkerSettings,
)
from django_hili.vocabulary import PRESETS
from tests.processes import ROOT

REFERENCE = ROOT / "docs" / "reference"


def test_every_code_has_its_heading_and_its_sentence():
    page = (REFERENCE / "codes.md").read_text()
    assert set(re.findall(r"^### (\w+)$", page, re.MULTILINE)) == {code.value for code in Code}
    for code in Code:
        assert f"### {code.value}\n{SENTENCES[code]}" in page


def test_every_setting_has_its_row():
    page = (REFERENCE / "settings.md").read_text()
    rows = set(re.findall(r"^\| `([A-Z_.]+)` \|", page, re.MULTILINE))
    names = {item.name.upper() for item in fields(HiliSettings)}
    for group, kind in (
        ("LIMITS", LimitSettings), ("PRIVACY", PrivacySettings), ("WORKER", WorkerSettings),
    ):  # fmt: skip
        names |= {f"{group}.{item.name.upper()}" for item in fields(kind)}
    assert rows == names


def test_every_preset_has_its_row():
    page = (REFERENCE / "settings.md").read_text().split("## Presets")[1]
    assert set(re.findall(r"^\| `([a-z0-9-]+)` \|", page, re.MULTILINE)) == set(PRESETS)


def test_every_check_has_its_heading():
    text = (ROOT / "django_hili" / "checks.py").read_text()
    used = set(re.findall(r'"([EW]\d{3})"', text)) | set(re.findall(r"django_hili\.(W\d+)", text))
    page = (REFERENCE / "checks.md").read_text()
    assert set(re.findall(r"^## ([EW]\d{3})$", page, re.MULTILINE)) == used


@pytest.mark.parametrize(
    "page", sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").rglob("*.md")), ids=str
)
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if not link.startswith(("http", "#", "mailto:")):
            assert (page.parent / link.split("#")[0]).exists(), link
