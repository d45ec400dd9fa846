"""The control page in a real browser: it shows, it acts, it fits."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from django_hili.sandbox.server import Control, Sandbox
from tests.sandbox.conftest import Caller, errno
from tests.sandbox.photos import photo

playwright_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any, sandbox: Sandbox) -> Iterator[Any]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{sandbox.base_url}/control/")
    page.get_by_text("behaving").wait_for()
    yield page
    page.close()
    # A thumbnail may be asked for in the moment in which its photo is forgotten.
    assert [text for text in complaints if "404" not in text] == []


def test_a_fault_is_switched_on_and_off(page: Any, caller: Caller, control: Control):
    page.get_by_role("button", name="No credits").click()
    page.get_by_text("1 fault on").wait_for()
    assert errno(caller.upload(photo())) == 9101
    page.get_by_role("button", name="Switch No credits off").click()
    page.get_by_text("behaving").wait_for()
    assert control.faults() == []
    assert caller.upload(photo())["code"] == 200


def test_a_fault_is_set_with_its_figures(page: Any, control: Control):
    page.get_by_label("Fault", exact=True).select_option("wrong_file")
    page.get_by_label("what").select_option("truncated")
    page.get_by_label("Times").fill("4")
    page.get_by_role("button", name="Switch on").click()
    page.get_by_text("1 fault on").wait_for()
    (rule,) = control.faults()
    assert (rule["kind"], rule["endpoint"], rule["remaining"]) == ("wrong_file", "file", 4)
    assert rule["params"] == {"what": "truncated"}


def test_photos_and_books_are_shown(page: Any, caller: Caller):
    caller.uploaded()
    page.get_by_text("photo-0.jpg").wait_for()
    picture = page.locator(".picture img")
    picture.wait_for()
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 160
    with page.expect_popup() as opened:
        picture.click()
    preview = opened.value.locator("img")
    assert preview.evaluate("image => image.decode().then(() => image.naturalWidth)") == 160
    assert opened.value.url.endswith("_wmk.jpg")
    opened.value.close()
    assert page.locator("#ledger tr").count() == 1
    assert page.locator("#tile-credits").inner_text() == "99"


def test_the_calendar_moves(page: Any, caller: Caller, control: Control):
    (mdf,) = caller.uploaded()
    page.get_by_role("button", name="+1 h").click()
    page.get_by_text("60 min ahead").wait_for()
    assert errno(caller.status(mdf)) == 9002
    page.get_by_role("button", name="Back to now").click()
    page.get_by_text("60 min ahead").wait_for(state="detached")


def test_an_account_is_opened_and_gets_credits(page: Any, control: Control):
    page.get_by_text("Open an account").click()
    page.get_by_label("third_code").fill("newcomer")
    page.get_by_label("secret_key").fill("newcomer-secret")
    page.get_by_role("button", name="Open", exact=True).click()
    page.locator(".account", has_text="newcomer").get_by_role("button", name="+50").click()
    page.get_by_text("50 credits added").wait_for()
    assert control.partners()["newcomer"]["left"] == 150


def test_the_settings_for_a_client_are_shown_without_the_secret(page: Any, sandbox: Sandbox):
    snippet = page.locator("#snippet").inner_text()
    assert f'"base_url": "{sandbox.base_url}"' in snippet
    assert "its-secret" not in snippet


def test_a_setting_is_changed(page: Any, control: Control):
    page.get_by_text("encoded again").click()
    page.get_by_text("Changed").wait_for()
    assert control.call("GET", "settings")["mode"] == "cheap"


def test_the_secret_is_hidden_until_asked_for(page: Any):
    assert "its-secret" not in page.locator("body").inner_text()
    page.get_by_role("button", name="Show").click()
    assert "its-secret" in page.locator("body").inner_text()


def test_it_is_emptied_only_after_a_question(page: Any, caller: Caller, control: Control):
    caller.uploaded()
    page.get_by_text("photo-0.jpg").wait_for()
    page.get_by_role("button", name="Empty the sandbox").click()
    page.get_by_role("button", name="Keep").click()
    assert len(control.pictures()) == 1
    page.get_by_role("button", name="Empty the sandbox").click()
    page.get_by_role("button", name="Empty", exact=True).click()
    page.get_by_text("No photos.").wait_for()
    assert control.pictures() == {}


def test_leaving_the_question_empties_nothing(page: Any, caller: Caller, control: Control):
    page.get_by_role("button", name="Empty the sandbox").click()
    page.get_by_role("button", name="Empty", exact=True).click()
    page.locator(".toast", has_text="Empty").wait_for()
    caller.uploaded()
    page.get_by_text("photo-0.jpg").wait_for()
    page.get_by_role("button", name="Empty the sandbox").click()
    page.keyboard.press("Escape")
    page.locator("dialog").wait_for(state="hidden")
    page.wait_for_timeout(300)
    assert len(control.pictures()) == 1


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_is_readable(page: Any, caller: Caller, control: Control, width, scheme):
    caller.uploaded()
    control.fault("result_url", "download", url="https://example.org/" + "long" * 30)
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    page.get_by_text("photo-0.jpg").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ground, ink = page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    darker = sum(map(int, ground[4:-1].split(","))) < sum(map(int, ink[4:-1].split(",")))
    assert darker is (scheme == "dark")
