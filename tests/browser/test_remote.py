"""The example site with a stand-in for the vendor: the whole way there and back, by its pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from django_hili.sandbox.server import Sandbox, running_sandbox
from tests.browser.site import SAMPLE, Site, running_site
from tests.browser.test_album import upload, wait_until_enhanced

Visit = Callable[..., Page]
SECRET = "a-secret-of-the-album"
UNTIL_ASKED_AGAIN = 120_000
"""Milliseconds: after *no credits* the vendor is left alone for a minute."""


@pytest.fixture(scope="module")
def vendor() -> Iterator[Sandbox]:
    with running_sandbox(third_code="album", secret_key=SECRET, credit_count=3) as sandbox:
        sandbox.control.processing(4)
        yield sandbox


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, vendor: Sandbox) -> Iterator[Site]:
    """The example site whose one provider is the stand-in, with a worker."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "sandbox-secret").write_text(SECRET)
    choice = {"EXAMPLE_PROVIDER": "sandbox", "EXAMPLE_SANDBOX": vendor.base_url}
    with running_site(folder, **choice) as running:
        running.start_worker()
        yield running


def test_before_anybody_decides_the_page_says_what_leaves(
    site: Site, visit: Visit, person: str
) -> None:
    page = visit(person)
    expect(page.locator("footer")).to_contain_text("sent to a stand-in for the Hili service")
    expect(page.locator("body")).not_to_contain_text("Nothing leaves it")
    page.goto(f"{site.address}/photos/new/")
    notice = page.locator(".leaving")
    for words in ("photo without metadata", "1 hour after it is done", "1 credit"):
        expect(notice).to_contain_text(words)
    expect(notice).not_to_contain_text("Watch and disturb")
    page = visit("demo")
    page.goto(f"{site.address}/photos/new/")
    expect(page.locator(".leaving")).to_contain_text("Watch and disturb")


def test_what_is_optional_may_be_left_out_and_the_page_says_what_follows(
    site: Site, visit: Visit, person: str, vendor: Sandbox
) -> None:
    before = len(vendor.control.ledger())
    page = visit(person)
    page.goto(f"{site.address}/photos/new/")
    page.set_input_files("[name=image]", str(SAMPLE))
    page.locator("[name=age][value=adult]").check()
    boxes = page.locator("main input[type=checkbox]")
    optional = [box for box in boxes.all() if not box.evaluate("box => box.required")]
    words = [box.evaluate("box => box.labels[0].innerText") for box in optional]
    assert len(words) == 2
    assert all("This is optional." in text for text in words)
    for box in page.locator("main input[type=checkbox][required]").all():
        box.check()
    page.get_by_role("button", name="Add and enhance").click()
    errors = page.locator(".error")
    assert errors.count() == 2
    for error in errors.all():
        expect(error).to_have_text(
            "Without this your photo cannot be enhanced here; nothing is sent."
        )
    box = page.locator("input[aria-invalid=true]").first
    described = page.locator(f"#{box.get_attribute('aria-describedby')}")
    expect(described).to_contain_text("cannot be enhanced here")
    assert len(vendor.control.ledger()) == before


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("zh-hans", "模拟 Hili 服务"),
        ("ja", "模擬環境"),
        ("es", "servicio Hili simulado"),
        ("fr", "service Hili simulé"),
    ],
)
def test_it_says_so_in_five_languages(
    site: Site, visit: Visit, person: str, language: str, words: str
) -> None:
    page = visit(person)
    page.select_option("#language", language)
    page.locator("footer button").click()
    expect(page.locator("footer")).to_contain_text(words)
    page.goto(f"{site.address}/photos/new/")
    expect(page.locator(".leaving")).to_contain_text(words)


def test_the_whole_way_there_and_back(
    site: Site, visit: Visit, person: str, vendor: Sandbox
) -> None:
    page = visit(person)
    upload(page, site, SAMPLE)
    stage = re.compile("The service has it|Repair noise|Enlarge with more")
    expect(page.locator("[data-detail]")).to_contain_text(stage, timeout=30_000)
    wait_until_enhanced(page)
    facts = page.locator(".panel > .facts")
    for words in ("Sent to the service", "Paid", "1 credit", "Deleted there by"):
        expect(facts).to_contain_text(words)
    (accepted,) = [entry for entry in vendor.control.ledger() if entry["event"] == "accepted"]
    assert accepted["file_name"] == "photo.jpg"
    assert len(vendor.control.pictures()) == 1

    vendor.control.travel(3700)
    vendor.control.sweep()
    assert vendor.control.pictures() == {}
    page.reload()
    expect(page.locator(".hili-compare-after img")).to_be_visible()


def test_a_photo_waits_while_there_are_no_credits(
    site: Site, visit: Visit, person: str, vendor: Sandbox
) -> None:
    vendor.control.fault("no_credits")
    page = visit(person)
    upload(page, site, SAMPLE)
    expect(page.locator("[data-detail]")).to_contain_text("No credits are left", timeout=30_000)
    vendor.control.clear_faults()
    expect(page.locator(".state-done")).to_be_visible(timeout=UNTIL_ASKED_AGAIN)


def test_staff_read_who_gets_the_photos_and_what_it_costs(site: Site, visit: Visit) -> None:
    page = visit("demo")
    upload(page, site, SAMPLE)
    wait_until_enhanced(page)
    page.goto(f"{site.address}/admin/gallery/photo/")
    page.locator("#action-toggle").check()
    page.select_option("[name=action]", "enhance_selected_photos")
    page.get_by_role("button", name="Go").click()
    expect(page.locator(".hili-summary")).to_contain_text("sandbox")
    expect(page.locator(".hili-summary")).to_contain_text("credits")


def test_what_was_agreed_to_is_taken_back_from_the_same_pages(
    site: Site, visit: Visit, person: str
) -> None:
    page = visit(person)
    page.get_by_role("link", name="Privacy policy").click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.goto(site.address)
    page.get_by_role("link", name="Your photos and your data").click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
