"""A site, a worker and a browser for each module; each test has a user of its own."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.site import CHROMIUM, Site, chromium, log_in, running_site

_HERE = Path(__file__).parent
_EXPECTED = re.compile(r"the server responded with a status of (403|404|422)")
_numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a browser, and skip it in sight where there is no Chromium."""
    for item in items:
        if _HERE not in item.path.parents or "browser" not in getattr(item, "fixturenames", ()):
            continue
        item.add_marker(pytest.mark.browser)
        item.add_marker(pytest.mark.process)
        if CHROMIUM is None and not os.environ.get("CI"):
            item.add_marker(pytest.mark.skip(reason="There is no Chromium on this machine."))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The example site with a worker."""
    with running_site(tmp_path_factory.mktemp("site")) as running:
        running.start_worker()
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The machine's Chromium, closed before other modules run.

    While it is open, Playwright keeps an event loop in this thread, and nobody else can start one.
    """
    assert CHROMIUM, "There is no Chromium on this machine."
    with chromium() as opened:
        yield opened


@pytest.fixture
def visit(browser: Browser, site: Site) -> Iterator[Callable[..., Page]]:
    """Open pages as users; fail if any of them complained on its console."""
    complaints: list[str] = []
    opened = []

    def open_as(name: str | None = None, **options: object) -> Page:
        context = browser.new_context(**options)  # type: ignore[arg-type]
        opened.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text))
        if name:
            log_in(page, site, name)
        return page

    yield open_as
    for context in opened:
        context.close()
    # A broken content policy, a missing file or a script's error would stand here.
    assert not [text for text in complaints if not _EXPECTED.search(text)]


@pytest.fixture
def person(site: Site) -> str:
    """The name of a user nobody else has."""
    name = f"person{next(_numbers)}"
    site.add_user(name)
    return name
