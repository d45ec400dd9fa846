"""*Your photos and your data* in a real browser: narrow, dark, without JavaScript, by keyboard."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.site import Site

Visit = Callable[..., Page]
WIDTH = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


LANGUAGES = ("en", "zh-hans", "ja", "es", "fr")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_sticks_out_on_a_narrow_screen(
    site: Site, visit: Visit, person: str, scheme: str
) -> None:
    page = visit(person, viewport={"width": 360, "height": 740}, color_scheme=scheme)
    for language in LANGUAGES:
        page.set_extra_http_headers({"Accept-Language": language})
        for part in ("", "photos/delete/", "cancel/"):
            page.goto(f"{site.address}/hili/privacy/{part}")
            assert page.locator("html").get_attribute("lang") == language
            assert page.evaluate(WIDTH) == 0
            heights = page.locator(".hp-button").evaluate_all(
                "all => all.map(button => button.getBoundingClientRect().height)"
            )
            assert min(heights) >= 44, "a thumb hits it"


def test_words_stand_out_in_both_schemes(site: Site, visit: Visit, person: str) -> None:
    for scheme in ("light", "dark"):
        page = visit(person, color_scheme=scheme)
        page.goto(f"{site.address}/hili/privacy/")
        for selector in ("h1", ".hp-quiet", ".hp-main", ".hp-danger", "a"):
            assert page.locator(selector).first.evaluate(_CONTRAST) >= 4.5, (scheme, selector)


def test_a_complaint_goes_out_by_keyboard_without_javascript(
    site: Site, visit: Visit, person: str
) -> None:
    page = visit(person, java_script_enabled=False)
    page.goto(f"{site.address}/hili/privacy/")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    page.get_by_label("What is it about?").select_option("complain")
    page.get_by_label("Your words").focus()
    page.keyboard.type("The colours are wrong.")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Send the request")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("The colours are wrong.")).to_be_visible()
    expect(page.get_by_text("Answer due on")).to_be_visible()


def test_everything_ends_by_two_clicks(site: Site, visit: Visit, person: str) -> None:
    page = visit(person)
    page.goto(f"{site.address}/hili/privacy/")
    page.locator("#cancel").get_by_role("link").click()
    page.get_by_role("link", name="Go back").click()
    page.locator("#cancel").get_by_role("link").click()
    page.get_by_role("button", name="Close and delete everything", exact=True).click()
    expect(page.get_by_role("heading", name="Everything about you is gone.")).to_be_visible()


def test_a_link_is_taken_by_somebody_without_a_login(site: Site, visit: Visit, person: str) -> None:
    page = visit(person)
    page.goto(f"{site.address}/hili/privacy/")
    page.get_by_role("button", name="Make a link").click()
    address = page.get_by_label("The link").input_value()
    stranger = visit()
    stranger.goto(address)
    with stranger.expect_download() as download:
        stranger.get_by_role("button", name="Take the copy").click()
    assert download.value.suggested_filename == "photos-and-data.zip"
    assert stranger.context.cookies() == []


def test_the_pages_stand_in_the_sites_frame(site: Site, visit: Visit, person: str) -> None:
    page = visit(person)
    for part in ("", "cancel/", "policy/", "withdraw/"):
        page.goto(f"{site.address}/hili/privacy/{part}")
        expect(page.get_by_role("navigation", name="Main")).to_be_visible()
        expect(page.locator("#language")).to_be_visible()
        page.get_by_role("link", name="Photo album").click()
        page.wait_for_url(site.address + "/")


_CONTRAST = """node => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgb = colour => {
    canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = colour => rgb(colour).map(part => part / 255)
    .map(part => part <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4)
    .reduce((sum, part, index) => sum + part * [.2126, .7152, .0722][index], 0);
  const behind = element => {
    const colour = getComputedStyle(element).backgroundColor;
    return colour === 'rgba(0, 0, 0, 0)' ? behind(element.parentElement) : colour;
  };
  const [one, two] = [light(getComputedStyle(node).color), light(behind(node))];
  return (Math.max(one, two) + .05) / (Math.min(one, two) + .05);
}"""
