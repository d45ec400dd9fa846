"""Staff's way: *Enhance selected photos*, the page to confirm, the job's page."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.site import SAMPLE, Site
from tests.browser.test_album import PATIENCE, loaded_size, upload, wait_until_enhanced

Visit = Callable[..., Page]


def choose_the_action(page: Page, site: Site, title: str) -> None:
    """Choose *Enhance selected photos* for one photo in the admin's list."""
    page.goto(f"{site.address}/admin/gallery/photo/?q={title}")
    page.locator(".action-select").first.check()
    page.select_option("[name=action]", label="Enhance selected photos")
    page.get_by_role(
        "button", name="Run" if page.get_by_role("button", name="Run").count() else "Go"
    ).click()


def test_staff_confirm_first_and_follow_the_job(site: Site, visit: Visit, person: str) -> None:
    owner = visit(person)
    upload(owner, site, SAMPLE, title=f"Portrait-of-{person}")
    wait_until_enhanced(owner)

    page = visit("demo")
    choose_the_action(page, site, f"Portrait-of-{person}")
    expect(page.get_by_role("heading", name="Enhance photos")).to_be_visible()
    summary = page.locator(".hili-summary")
    expect(summary).to_contain_text("1 photo")
    expect(summary).to_contain_text("Nothing leaves it and nothing is charged.")
    expect(summary).to_contain_text("The results are kept until")

    page.get_by_label("Repair and double the size").check()
    page.get_by_label("The person agreed, and so did everybody shown").check()
    page.get_by_role("button", name="Enhance", exact=True).click()
    expect(page.locator(".messagelist")).to_contain_text("1 photo is being enhanced.")
    page.get_by_role("link", name="Follow it").click()
    page.locator(".field-short_id a").click()

    # The page of a job that is still moving looks again by itself.
    expect(page.locator(".hili-badge.hili-done")).to_be_visible(timeout=PATIENCE)
    before = loaded_size(page, ".hili-compare-before img")
    assert loaded_size(page, ".hili-compare-after img") == (2 * before[0], 2 * before[1])
    slider = page.get_by_role("slider")
    slider.focus()
    page.keyboard.press("End")
    assert slider.input_value() == "100"
    expect(page.locator(".hili-timeline")).to_contain_text("Result will be deleted")


def test_doing_nothing_does_nothing(site: Site, visit: Visit, person: str) -> None:
    owner = visit(person)
    upload(owner, site, SAMPLE, title=f"Portrait-of-{person}")
    wait_until_enhanced(owner)
    earlier = set(site.stored())
    page = visit("demo")
    choose_the_action(page, site, f"Portrait-of-{person}")
    page.get_by_role("link", name="Do nothing").click()
    page.wait_for_url(f"{site.address}/admin/gallery/photo/")
    assert set(site.stored()) == earlier


def test_a_person_who_is_no_staff_has_no_admin(site: Site, visit: Visit, person: str) -> None:
    page = visit(person)
    page.goto(f"{site.address}/admin/django_hili/photojob/")
    assert "/admin/login/" in page.url
