"""Pages with rows in them: nothing sticks out, nothing is too pale, a phone can read them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.shape import faults
from tests.browser.site import Site

Visit = Callable[..., Page]
LISTS = ("photojob", "photobatch", "providerstate", "disclosure", "receipt", "case", "incident")
PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 800}


@pytest.fixture(scope="module")
def rows(site: Site) -> None:
    """One row of each kind, with a word as long as words get."""
    site.manage("demo_sample")
    site.manage("shell", "--verbosity", "0", "-c", _ROWS)
    site.add_user("clerk")
    site.manage(
        "shell", "--verbosity", "0", "-c",
        "from django.contrib.auth import get_user_model as model; "
        "model().objects.filter(username='clerk').update(is_staff=True)",
    )  # fmt: skip


def pages_of_staff(page: Page, site: Site) -> list[str]:
    """Return the addresses of every list of ours, and of the first row in each."""
    found = [f"{site.address}/admin/django_hili/providerstate/report/"]
    for model in LISTS:
        found.append(f"{site.address}/admin/django_hili/{model}/")
        page.goto(found[-1])
        first = page.locator("#result_list tbody th a, #result_list tbody td a").first
        found.append(site.address + str(first.get_attribute("href")))
    return found


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_staffs_pages_are_well_formed(
    site: Site, rows: None, visit: Visit, size: dict[str, int], scheme: str
) -> None:
    page = visit("demo", viewport=size, color_scheme=scheme)
    addresses = pages_of_staff(page, site)
    for language in ("en", "fr") if scheme == "light" else ("en",):
        page.set_extra_http_headers({"Accept-Language": language})
        for address in addresses:
            page.goto(address)
            assert not faults(page), (address, language)


def test_every_table_of_staffs_fits_its_place(site: Site, rows: None, visit: Visit) -> None:
    for size in (PHONE, DESK):
        page = visit("demo", viewport=size)
        for model in LISTS:
            page.goto(f"{site.address}/admin/django_hili/{model}/")
            hidden = page.locator("#changelist .results").evaluate(
                "box => box.scrollWidth - box.clientWidth"
            )
            assert hidden <= 0, (model, size)


def test_on_a_phone_a_cell_names_its_column(site: Site, rows: None, visit: Visit) -> None:
    page = visit("demo", viewport=PHONE)
    page.goto(f"{site.address}/admin/django_hili/case/")
    cell = page.locator("td.field-due").first
    named = "cell => getComputedStyle(cell, '::before').content"
    assert cell.evaluate(named) == '"Answer due"'
    expect(page.get_by_role("cell").first).to_be_visible()
    assert page.get_by_role("row").count() > 1, "a screen reader still hears a table"
    wide = visit("demo", viewport=DESK)
    wide.goto(f"{site.address}/admin/django_hili/case/")
    assert wide.locator("td.field-due").first.evaluate(named) == "none"


def test_an_answer_is_asked_about_with_everything_on_the_page(
    site: Site, rows: None, visit: Visit
) -> None:
    page = visit("demo", viewport=PHONE)
    page.goto(f"{site.address}/admin/django_hili/case/")
    page.locator("#result_list tbody th a").first.click()
    page.get_by_role("button", name="It is known who asks").click()
    page.get_by_role("button", name="Extend").click()
    expect(page.locator("#id_reason_error")).to_contain_text("one of the listed reasons")
    assert not faults(page)
    page.get_by_label("Outcome").select_option("refused")
    page.get_by_label("Ground").select_option("excessive")
    page.get_by_label("Your words").fill("Seven times.\nThat is enough.")
    page.get_by_role("button", name="Go on to the answer").click()
    expect(page.locator(".hili-summary")).to_contain_text("That is enough.")
    assert not faults(page)


def test_a_request_without_its_matter_is_told_where_it_stands(
    site: Site, visit: Visit, person: str
) -> None:
    page = visit(person, viewport=PHONE)
    page.goto(f"{site.address}/hili/privacy/")
    assert not faults(page)
    page.get_by_role("button", name="Send the request").click()
    expect(page.locator("#id_kind_error")).to_be_visible()
    assert not faults(page)


def test_who_may_not_is_told_so_in_the_sites_words(site: Site, rows: None, visit: Visit) -> None:
    page = visit("clerk", viewport=PHONE)
    answer = page.goto(f"{site.address}/admin/django_hili/receipt/")
    assert answer is not None
    assert answer.status == 403
    expect(page.get_by_role("heading", name="You may not do this.")).to_be_visible()
    expect(page.get_by_role("main").get_by_role("link", name="Your photos")).to_be_visible()
    assert not faults(page)


_ROWS = """
import datetime as dt
from django.contrib.auth import get_user_model
from django.utils import timezone
from django_hili.models import Case, CaseKind, Disclosure, Incident, PhotoBatch, PhotoJob, Severity
from django_hili.privacy.consent.subjects import subject_ref_for
from django_hili.privacy.rights import cases, incidents
now, user = timezone.now(), get_user_model().objects.get(username="demo")
hour = dt.timedelta(hours=1)
case = cases.open_case(kind=CaseKind.COMPLAIN, subject_ref=subject_ref_for(user),
                       text="Donaudampfschiffahrt https://example.org/" + 90 * "a")
Case.objects.filter(pk=case.pk).update(due_at=now - hour)
incident = incidents.open_incident(severity=Severity.SERIOUS, began_at=now - hour, ended_at=now)
Incident.objects.update(people_due_at=now - hour, authority_due_at=now - hour)
job = PhotoJob.objects.latest("created_at")
PhotoBatch.objects.create(expires_at=now + hour)
Disclosure.objects.create(
    job=job, provider="local", region="CN", processor_policy="https://vendor.example/" + 60 * "p",
    items=["photo", "operations", "image_type"], operations=["repair", "sr"], basis="consent",
    token=1, size=100, state="unknown", intended_at=now)
"""
