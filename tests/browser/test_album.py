"""A person's way through the example site, with the real pages, worker and browser."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.site import SAMPLE, Site

Visit = Callable[..., Page]
PATIENCE = 90_000
"""Milliseconds a small photo may take on a busy machine."""
SECRETS = (b"GPS-Lisbon-38.7", b"kept by the family", b"grandmother-passport")


def upload(page: Page, site: Site, photo: Path, *, title: str = "A portrait") -> None:
    """Send a photo by the page."""
    page.goto(f"{site.address}/photos/new/")
    page.set_input_files("[name=image]", str(photo))
    page.fill("[name=title]", title)
    agree(page)
    page.get_by_role("button", name="Add and enhance").click()


def agree(page: Page) -> None:
    """Answer what is asked of a person before a photo is enhanced: all that is on the page."""
    age = page.locator("[name=age][value=adult]")
    if age.count():
        age.check()
    for box in page.locator("main input[type=checkbox]").all():
        box.check()


def wait_until_enhanced(page: Page) -> None:
    """Wait until the page shows the result by itself."""
    expect(page.locator(".state-done")).to_be_visible(timeout=PATIENCE)


def loaded_size(page: Page, selector: str) -> tuple[int, int]:
    """Return the size in pixels of a picture the browser has really decoded."""
    width, height = page.locator(selector).evaluate(
        "async image => { await image.decode(); return [image.naturalWidth, image.naturalHeight] }"
    )
    return width, height


def test_a_photo_is_uploaded_enhanced_compared_and_deleted(
    site: Site, visit: Visit, person: str
) -> None:
    page = visit(person)
    upload(page, site, SAMPLE, title="Grandmother")
    expect(page.get_by_role("heading", name="Grandmother")).to_be_visible()
    wait_until_enhanced(page)

    with Image.open(SAMPLE) as sample:
        width, height = sample.size
    assert loaded_size(page, ".hili-compare-before img") == (width, height)
    assert loaded_size(page, ".hili-compare-after img") == (2 * width, 2 * height)
    expect(page.get_by_text("Kept until")).to_be_visible()

    address = page.url
    page.get_by_text("Delete now").click()
    page.get_by_role("button", name="Delete the photo").click()
    page.wait_for_url(site.address + "/")
    expect(page.get_by_text("There is no photo here yet.")).to_be_visible()
    for part in ("", "before/", "after/", "progress/"):
        answer = page.goto(address + part)
        assert answer is not None
        assert answer.status == 404


def test_deleting_leaves_no_file(site: Site, visit: Visit, person: str) -> None:
    page = visit(person)
    earlier = set(site.stored())
    upload(page, site, SAMPLE)
    wait_until_enhanced(page)
    assert len(set(site.stored()) - earlier) == 2, "the host's photo and the result"
    page.get_by_text("Delete now").click()
    page.get_by_role("button", name="Delete the photo").click()
    page.wait_for_url(site.address + "/")
    assert set(site.stored()) == earlier


def test_the_slider_moves_by_keyboard_alone(site: Site, visit: Visit, person: str) -> None:
    page = visit(person)
    upload(page, site, SAMPLE)
    wait_until_enhanced(page)
    slider = page.get_by_role("slider")
    for _ in range(20):
        if slider.evaluate("range => range === document.activeElement"):
            break
        page.keyboard.press("Tab")
    expect(slider).to_be_focused()
    outline = page.locator(".hili-compare").evaluate("box => getComputedStyle(box).outlineStyle")
    assert outline == "solid", "whoever uses the keyboard sees where they are"

    def shown() -> float:
        return float(page.locator(".hili-compare-before").evaluate(
            "box => box.getBoundingClientRect().width"
            " * parseFloat(getComputedStyle(box.parentElement).getPropertyValue('--hili-split'))"
        ))  # fmt: skip

    middle = shown()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    assert shown() == pytest.approx(middle * 1.2)
    page.keyboard.press("Home")
    assert shown() == 0


def test_without_javascript_the_page_looks_again_by_itself(
    site: Site, visit: Visit, person: str
) -> None:
    page = visit(person, java_script_enabled=False)
    upload(page, site, SAMPLE)
    wait_until_enhanced(page)
    for side in ("before", "after"):
        expect(page.locator(f".hili-compare-{side} img")).to_be_visible()
    boxes = [page.locator(f".hili-compare-{side}").bounding_box() for side in ("before", "after")]
    assert boxes[0] is not None
    assert boxes[1] is not None
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"], "they stand side by side"


def test_another_persons_photo_is_not_there(
    site: Site, visit: Visit, person: str, tmp_path: Path
) -> None:
    owner = visit(person)
    upload(owner, site, SAMPLE)
    wait_until_enhanced(owner)
    # Not even the site's superuser: staff have the admin, with permissions of its own.
    other = visit("demo")
    for part in ("", "before/", "after/", "progress/"):
        answer = other.goto(owner.url + part)
        assert answer is not None
        assert answer.status == 404
    for part in ("delete/", "enhance/"):
        answer = other.request.post(owner.url + part, headers={
            "X-CSRFToken": _csrf(other), "Referer": site.address + "/",
        })  # fmt: skip
        assert answer.status == 404
    owner.reload()
    expect(owner.locator(".state-done")).to_be_visible()


def test_nobody_sees_a_photo_without_logging_in(site: Site, visit: Visit, person: str) -> None:
    page = visit(person)
    upload(page, site, SAMPLE)
    stranger = visit()
    for part in ("", "before/", "after/"):
        stranger.goto(page.url + part)
        assert stranger.url.startswith(site.address + "/login/")
    for path in site.stored():
        for folder in (site.folder, site.folder / "photos", site.folder / "hili"):
            if folder in path.parents:
                _is_not_served(stranger, f"{site.address}/{path.relative_to(folder)}")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The file is empty."),
        (b"Dear diary, this is no photo at all.", "The file is not a photo"),
        (SAMPLE.read_bytes()[:3000], "The photo is damaged or cut short."),
        (SAMPLE.read_bytes().ljust(31 * 1024 * 1024, b"x"), "The file is larger than 30 MB."),
    ],
    ids=["empty", "text", "truncated", "too-large"],
)
def test_a_bad_upload_is_explained_and_not_stored(
    site: Site, visit: Visit, person: str, tmp_path: Path, content: bytes, sentence: str
) -> None:
    bad = tmp_path / "photo.jpg"
    bad.write_bytes(content)
    page = visit(person)
    earlier = set(site.stored())
    upload(page, site, bad)
    expect(page.get_by_role("alert")).to_contain_text(sentence)
    assert set(site.stored()) == earlier
    page.goto(site.address + "/")
    expect(page.get_by_text("There is no photo here yet.")).to_be_visible()


def test_a_minor_is_told_what_to_do_and_nothing_is_written_down(
    site: Site, visit: Visit, person: str
) -> None:
    page = visit(person)
    page.goto(f"{site.address}/photos/new/")
    page.set_input_files("[name=image]", str(SAMPLE))
    agree(page)
    page.locator("[name=age][value=minor]").check()
    page.get_by_role("button", name="Add and enhance").click()
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The photo was not stored.")
    expect(alert).to_contain_text("A parent or guardian has to agree first")
    said = site.manage(
        "shell", "--verbosity", "0", "-c",
        "from django.contrib.auth import get_user_model as model; "
        "from django_hili.models import Consent, Subject; "
        f"key = str(model().objects.get(username={person!r}).pk); "
        "refs = Subject.objects.filter(user_key=key).values_list('ref'); "
        "print(len(refs), Consent.objects.filter(subject_ref__in=refs).count())",
    )  # fmt: skip
    assert said.split() == ["0", "0"]
    alert.get_by_role("link", name="Ask as a guardian").click()
    expect(page.get_by_label("What is it about?")).to_be_visible()


def test_nothing_of_the_upload_but_the_picture_is_stored(
    site: Site, visit: Visit, person: str, tmp_path: Path
) -> None:
    telling = tmp_path / "grandmother-passport.jpg"
    telling.write_bytes(_photo_with_metadata())
    assert all(secret in telling.read_bytes() for secret in SECRETS[:2])
    page = visit(person)
    upload(page, site, telling)
    wait_until_enhanced(page)
    files = [path for path in site.folder.rglob("*") if path.is_file()]
    assert len(files) > 3
    for path in files:
        content = path.read_bytes() + str(path).encode()
        assert not [secret for secret in SECRETS if secret in content], path
    with Image.open(io.BytesIO(page.request.get(page.url + "before/").body())) as kept:
        assert not kept.getexif()


def test_no_cache_keeps_a_photo(site: Site, visit: Visit, person: str) -> None:
    page = visit(person)
    upload(page, site, SAMPLE)
    wait_until_enhanced(page)
    for part in ("", "before/", "after/", "progress/"):
        header = page.request.get(page.url + part).headers["cache-control"]
        assert {"private", "no-store"} <= set(re.split(r",\s*", header))


@pytest.mark.parametrize("width", [360, 1280])
def test_no_page_is_wider_than_the_window(
    site: Site, visit: Visit, person: str, width: int
) -> None:
    page = visit(person, viewport={"width": width, "height": 800})
    upload(page, site, SAMPLE, title="A title that is rather long, as titles of people are")
    wait_until_enhanced(page)
    for address in (page.url, site.address + "/", site.address + "/photos/new/"):
        page.goto(address)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, address


def test_the_page_says_which_language_it_is_in(site: Site, visit: Visit) -> None:
    page = visit()
    page.goto(site.address + "/login/")
    assert page.locator("html").get_attribute("lang") == "en"
    page.select_option("#language", "fr")
    page.get_by_role("button", name="Change").click()
    expect(page.locator("html")).to_have_attribute("lang", "fr")


def test_a_refused_form_can_be_reloaded_and_read_in_another_language(
    site: Site, visit: Visit, person: str
) -> None:
    page = visit(person)
    upload(page, site, SAMPLE)
    wait_until_enhanced(page)
    photo = page.url
    page.get_by_text("Enhance in another way").click()
    button = page.locator("form[action$='/enhance/'] button")
    button.evaluate("button => button.form.noValidate = true")
    button.click()
    page.wait_for_url(photo + "enhance/")
    page.select_option("#language", "fr")
    page.locator("footer button").click()
    page.wait_for_url(photo)
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    for part in ("enhance/", "delete/"):
        page.goto(photo + part)
        assert page.url == photo
    expect(page.locator(".state-done")).to_be_visible()


def test_a_page_that_is_too_old_or_too_large_is_answered_in_a_page(
    site: Site, visit: Visit, person: str
) -> None:
    page = visit(person)
    answer = page.request.post(site.address + "/photos/new/", form={"title": "x"})
    assert answer.status == 403
    assert "was too old" in answer.text()
    fields = {f"field{n}": "x" for n in range(1100)}
    answer = page.request.post(
        site.address + "/photos/new/", form={"csrfmiddlewaretoken": _csrf(page), **fields}
    )
    assert answer.status == 400
    assert "Go back and send it again." in answer.text()


def test_reading_the_policy_sets_no_cookie(site: Site, visit: Visit) -> None:
    page = visit()
    page.goto(f"{site.address}/hili/privacy/policy/")
    expect(page.get_by_text("sets no cookie of its own")).to_be_visible()
    assert page.context.cookies() == []


def _csrf(page: Page) -> str:
    return next(c["value"] for c in page.context.cookies() if c["name"] == "csrftoken")


def _is_not_served(page: Page, address: str) -> None:
    answer = page.request.get(address)
    assert answer.status == 404 or "/login/" in answer.url


def _photo_with_metadata() -> bytes:
    with Image.open(SAMPLE) as sample:
        exif = Image.Exif()
        exif[0x010E] = SECRETS[1].decode()
        exif.get_ifd(0x8825)[0x001D] = SECRETS[0].decode()
        out = io.BytesIO()
        sample.save(out, "JPEG", exif=exif, comment=SECRETS[1])
    return out.getvalue()
