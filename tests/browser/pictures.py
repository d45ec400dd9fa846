"""Makes the pictures of docs/images anew: what the demo makes, photographed as a visitor sees it.

Run by `make images`. It tests nothing; it needs Chromium.
"""

from __future__ import annotations

import io
import re
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, StorageState

from tests.browser.site import CHROMIUM, ROOT, SAMPLE, Site, chromium, log_in, running_site

IMAGES = ROOT / "docs" / "images"
GAP = 8
"""Pixels between before and after."""


def main() -> None:
    """Run the demo's site and photograph it."""
    if CHROMIUM is None:
        raise SystemExit("Making the pictures needs Chromium.")
    IMAGES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        running_site(Path(folder)) as site,
        chromium() as browser,
    ):
        site.start_worker()
        site.manage("demo_sample")
        page = browser.new_context().new_page()
        log_in(page, site)
        page.get_by_role("link", name=re.compile("Eileen")).click()
        photo, state = page.url, page.context.storage_state()
        _side_by_side(page.request.get(photo + "after/").body())
        _shoot(browser, state, photo, "photo-light", scheme="light", width=1280)
        _shoot(browser, state, photo, "photo-narrow-dark", scheme="dark", width=360)
        _admin_pages(browser, state, site)


def _side_by_side(result: bytes) -> None:
    """Put the aged sample, enlarged as a browser would, beside what the worker made of it."""
    with Image.open(SAMPLE) as before, Image.open(io.BytesIO(result)) as after:
        width, height = 2 * (after.width * 2 // 3) + GAP, after.height * 2 // 3
        size = ((width - GAP) // 2, height)
        both = Image.new("RGB", (width, height), "white")
        both.paste(before.resize(size, Image.Resampling.BICUBIC), (0, 0))
        both.paste(after.resize(size, Image.Resampling.LANCZOS), (size[0] + GAP, 0))
        both.save(IMAGES / "before-after.jpg", "JPEG", quality=90, optimize=True)


def _admin_pages(browser: Browser, state: StorageState, site: Site) -> None:
    def choose(page: Page) -> None:
        page.locator(".action-select").first.check()
        page.select_option("[name=action]", label="Enhance selected photos")
        page.locator("button[name=index]").click()
        page.wait_for_selector(".hili-summary")

    def open_job(page: Page) -> None:
        page.locator(".field-short_id a").first.click()
        page.wait_for_selector(".hili-compare-live")

    admin = site.address + "/admin/"
    _shoot(browser, state, admin + "gallery/photo/", "admin-confirm", then=choose)
    _shoot(browser, state, admin + "django_hili/photojob/", "admin-job", then=open_job)


def _shoot(
    browser: Browser, state: StorageState, address: str, name: str, *,
    scheme: str = "light", width: int = 1280, then: object = None,
) -> None:  # fmt: skip
    context = browser.new_context(
        storage_state=state, color_scheme=scheme, viewport={"width": width, "height": 800}
    )
    page = context.new_page()
    page.goto(address)
    if callable(then):
        then(page)
    page.wait_for_load_state("networkidle")
    shot = page.screenshot(full_page=True)
    with Image.open(io.BytesIO(shot)) as picture:
        picture.convert("RGB").save(IMAGES / f"{name}.jpg", "JPEG", quality=85, optimize=True)
    context.close()


if __name__ == "__main__":
    main()
