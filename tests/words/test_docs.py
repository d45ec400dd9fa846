"""The reference pages and the code say the same."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields

import pytest

from django_hili.codes import SENTENCES, Code
from django_hili.conf import (
    HiliSettings,
    LimitSettings,
    PrivacySettings,
    VaultSettings,
    WorkerSettings,
)
from django_hili.privacy.audit import datamap
from django_hili.profiles.profile import rules
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
    names |= {f"PRIVACY.{name.upper()}" for name, _ in rules()}
    for group, kind in (
        ("LIMITS", LimitSettings), ("PRIVACY", PrivacySettings), ("VAULT", VaultSettings),
        ("WORKER", WorkerSettings),
    ):  # fmt: skip
        names |= {f"{group}.{item.name.upper()}" for item in fields(kind)}
    names.remove("PRIVACY.EFFECTIVE")  # computed; nobody writes it
    assert rows == names


def test_every_preset_has_its_row():
    page = (REFERENCE / "settings.md").read_text().split("## Presets")[1]
    assert set(re.findall(r"^\| `([a-z0-9-]+)` \|", page, re.MULTILINE)) == set(PRESETS)


def test_every_check_has_its_heading():
    modules = ("checks.py", "jobs/doctor/cluster.py")
    text = "".join((ROOT / "django_hili" / name).read_text() for name in modules)
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


def test_the_page_of_the_data_map_is_the_data_map():
    page = (REFERENCE / "data-map.md").read_text()
    assert page == "\n".join(datamap.as_markdown()) + "\n", (
        "write it anew: hili_privacy report --data-map > docs/reference/data-map.md"
    )


def test_the_page_on_security_says_what_is_sealed_and_where_the_keys_lie():
    page = (ROOT / "SECURITY.md").read_text()
    assert VaultSettings().encrypt
    assert "not encrypted" not in page
    for name in ("encrypt", "key_folder", "key_database"):
        assert hasattr(VaultSettings(), name)
        assert f"VAULT.{name.upper()}" in page


def test_the_source_archive_holds_every_page_at_the_top():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packed = set(project["tool"]["hatch"]["build"]["targets"]["sdist"]["include"])
    assert {f"/{page.name}" for page in ROOT.glob("*.md")} <= packed
