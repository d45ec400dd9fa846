"""Credits: counted, told when low, estimated beforehand, capped, and reported by the month."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

import django_hili
from django_hili.codes import Code
from django_hili.exceptions import InvalidOptionsError, WrongStateError
from django_hili.jobs.moves import reconcile
from django_hili.jobs.report import ReportLine, as_csv, monthly_report
from django_hili.models import Disclosure, Media, PhotoBatch, PhotoJob, ProviderState, SendState
from django_hili.privacy.consent.subjects import subject_ref_for
from django_hili.signals import credits_low
from tests import people, photos
from tests.vendors import vendor_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def vendor(settings, request):
    with vendor_for(settings, **getattr(request, "param", {})) as sandbox:
        yield sandbox


@pytest.fixture
def told():
    heard = []

    def listen(provider, **words):
        heard.append((provider, words["credits"]))

    credits_low.connect(listen)
    yield heard
    credits_low.disconnect(listen)


def sent(*, state=SendState.ANSWERED, charged=True, user=None, operations=("sr",), at=None):
    now = at or timezone.now()
    return Disclosure.objects.create(
        processor_policy="p",
        job_id="00000000-0000-0000-0000-000000000001", provider="hili", items=[],
        operations=list(operations), basis="consent", token=1, state=state, charged=charged,
        size=1, intended_at=now, answered_at=now,
        requested_by_ref=subject_ref_for(user) if user else None,
    )  # fmt: skip


@pytest.mark.process
def test_the_balance_is_counted_when_somebody_asks(vendor):
    assert django_hili.balance(provider="hili").credits is None
    fresh = django_hili.refresh_balance(provider="hili")
    assert (fresh.credits, fresh.is_low, fresh.in_doubt) == (1000, False, 0)
    assert timezone.now() - fresh.counted_at < dt.timedelta(seconds=20)
    assert django_hili.balance(provider="hili") == fresh


@pytest.mark.process
@pytest.mark.parametrize("vendor", [{"exclusive_account": True}], indirect=True)
def test_a_count_is_shown_while_a_doubt_is_open_but_not_reckoned_from(vendor):
    django_hili.refresh_balance(provider="hili")
    base_at = ProviderState.objects.get().base_at
    sent(state=SendState.UNKNOWN, charged=None)
    ProviderState.objects.update(base_credits=1001)
    fresh = django_hili.refresh_balance(provider="hili")
    assert (fresh.credits, fresh.in_doubt) == (1000, 1)
    state = ProviderState.objects.get()
    assert (state.base_credits, state.base_at) == (1001, base_at)


@pytest.mark.process
def test_a_count_that_raced_with_a_send_settles_nothing(vendor):
    django_hili.refresh_balance(provider="hili")
    base = ProviderState.objects.get().base_at
    asked_at = timezone.now()
    sent()
    with pytest.raises(WrongStateError):
        reconcile.reconcile(provider="hili", credits_left=999, is_exclusive=True, asked_at=asked_at)
    state = ProviderState.objects.get()
    assert (state.credits, state.base_credits, state.base_at) == (999, 1000, base)


def test_a_provider_that_charges_nothing_has_no_balance(db):
    assert django_hili.balance(provider="local").credits is None
    with pytest.raises(WrongStateError) as caught:
        django_hili.refresh_balance(provider="local")
    assert caught.value.code is Code.PROVIDER_WITHOUT_CREDITS
    with pytest.raises(InvalidOptionsError):
        django_hili.balance(provider="moon")


@pytest.mark.process
@pytest.mark.parametrize("vendor", [{"low_credits": 10}], indirect=True)
def test_few_credits_are_told_once_for_each_crossing(vendor, told):
    for left in (11, 10, 9, 10, 3):
        reconcile.note_count(provider="hili", credits_left=left, now=timezone.now())
    assert told == [("hili", 10)]
    reconcile.note_count(provider="hili", credits_left=500, now=timezone.now())
    assert not django_hili.balance(provider="hili").is_low
    reconcile.note_count(provider="hili", credits_left=0, now=timezone.now())
    assert told == [("hili", 10), ("hili", 0)]
    assert django_hili.balance(provider="hili").is_low


@pytest.mark.process
def test_without_a_mark_nothing_is_told(vendor, told):
    reconcile.note_count(provider="hili", credits_left=0, now=timezone.now())
    assert told == []


@pytest.mark.process
def test_a_count_is_due_while_photos_are_charged(vendor):
    assert reconcile.wants_a_count(provider="hili")
    django_hili.refresh_balance(provider="hili")
    sent()
    assert not reconcile.wants_a_count(provider="hili")
    ProviderState.objects.update(credits_at=timezone.now() - reconcile.COUNT_INTERVAL)
    assert reconcile.wants_a_count(provider="hili")
    Disclosure.objects.all().delete()
    assert not reconcile.wants_a_count(provider="hili")


@pytest.mark.process
def test_before_photos_leave_a_count_is_soon_out_of_date(vendor, anna, photo):
    django_hili.refresh_balance(provider="hili")
    people.enhance(photo, operations=["repair"], subject=anna)
    assert not reconcile.wants_a_count(provider="hili")
    ProviderState.objects.update(credits_at=timezone.now() - reconcile.SETTLE_AFTER)
    assert reconcile.wants_a_count(provider="hili")


@pytest.mark.process
@pytest.mark.parametrize("vendor", [{"charging": "download"}], indirect=True)
def test_where_results_are_charged_a_count_accuses_nobody(vendor):
    django_hili.refresh_balance(provider="hili")
    finding = reconcile.reconcile(provider="hili", credits_left=990, is_exclusive=True)
    assert finding is reconcile.Finding.NOTHING_IN_DOUBT
    assert not ProviderState.objects.get().is_shared


@pytest.mark.process
def test_an_estimate_tells_cost_and_problems_and_stores_nothing(vendor, settings):
    found = django_hili.estimate(preset="photo-4x", photos=20)
    assert (found.credits, found.is_allowed, found.is_affordable) == (20, True, None)
    assert (found.provider.alias, found.provider.capabilities.region) == ("hili", "CN")
    assert not ProviderState.objects.exists()
    django_hili.refresh_balance(provider="hili")
    assert django_hili.estimate(preset="photo-4x", photos=20).is_affordable
    ProviderState.objects.update(credits=19)
    assert django_hili.estimate(preset="photo-4x", photos=20).is_affordable is False
    codes = [
        problem.code
        for words in (
            {"preset": "photo-4x", "photos": 20, "max_credits": 19},
            {"preset": "photo-4x", "photos": 501},
            {"preset": "photo-4x", "width": 3000, "height": 20},
            {"operations": ["repair"], "dpi": 72},
        )
        for problem in django_hili.estimate(**words).problems
    ]
    assert codes == [
        Code.BATCH_TOO_COSTLY, Code.BATCH_TOO_LARGE, Code.RESULT_TOO_LARGE, Code.DPI_UNSUPPORTED,
    ]  # fmt: skip
    with pytest.raises(InvalidOptionsError):
        django_hili.estimate(preset="wedding")


@pytest.mark.process
@pytest.mark.parametrize(
    ("site_cap", "own_cap", "limit"), [(None, 2, 2), (2, None, 2), (2, 9, 2), (9, 2, 2)]
)
def test_over_a_cap_nothing_is_stored(
    vendor, settings, anna, photo, stored, site_cap, own_cap, limit
):
    settings.HILI = {**settings.HILI, "LIMITS": {"MAX_CREDITS_PER_BATCH": site_cap}}
    many = {"operations": ["repair"], "subject": anna, "max_credits": own_cap}
    with pytest.raises(InvalidOptionsError) as caught:
        people.enhance_many([photo] * 3, **many)
    assert caught.value.code is Code.BATCH_TOO_COSTLY
    assert caught.value.params == {"credits": 3, "limit": limit}
    assert stored() == {}
    assert not Media.objects.exists()
    assert not PhotoBatch.objects.exists()
    assert len(people.enhance_many([photo] * 2, **many).jobs) == 2


def test_many_photos_go_on_without_the_bad_ones(anna, photo):
    outcome = people.enhance_many(
        [photo, photos.truncated_jpeg(), photo], operations=["sr"], scale=2, subject=anna
    )
    assert len(outcome.jobs) == 2
    assert [(number, error.code) for number, error in outcome.refused] == [(1, Code.PHOTO_DAMAGED)]
    assert set(PhotoJob.objects.values_list("batch_id", flat=True)) == {outcome.batch.pk}


def test_a_batch_of_bad_photos_is_no_batch(anna):
    outcome = people.enhance_many(
        [photos.truncated_jpeg()], operations=["sr"], scale=2, subject=anna
    )
    assert (outcome.batch, outcome.jobs, len(outcome.refused)) == (None, [], 1)
    assert not PhotoBatch.objects.exists()


MONTH = dt.date(2026, 10, 1)
INSIDE = dt.datetime(2026, 10, 31, 23, 59, tzinfo=dt.UTC)
OUTSIDE = dt.datetime(2026, 11, 1, 0, 0, tzinfo=dt.UTC)


@pytest.fixture
def ledger(anna, ben):
    for _ in range(3):
        sent(user=anna, at=INSIDE)
    sent(user=anna, at=INSIDE, charged=None, state=SendState.UNKNOWN)
    sent(user=anna, at=INSIDE, operations=["repair", "sr"])
    sent(user=anna, at=INSIDE, charged=False, state=SendState.REFUSED)
    sent(user=anna, at=OUTSIDE)
    sent(user=ben, at=INSIDE, charged=False, state=SendState.RECONCILED)
    sent(at=INSIDE)


def test_a_month_is_reported_by_user_and_operation(ledger):
    report = monthly_report(month=dt.date(2026, 10, 17))
    assert report.month == MONTH
    assert list(report.lines) == [
        ReportLine("hili", "", ("sr",), 1, 1, 0),
        ReportLine("hili", "anna", ("sr",), 4, 3, 1),
        ReportLine("hili", "anna", ("repair", "sr"), 1, 1, 0),
        ReportLine("hili", "ben", ("sr",), 1, 0, 0),
    ]
    assert (report.charged, report.not_known) == (5, 1)
    assert monthly_report(month=MONTH, provider="local").lines == []


def test_who_has_left_is_nobody(ledger, anna):
    anna.delete()
    assert {line.user for line in monthly_report(month=MONTH).lines} == {"", "ben"}


def test_a_name_is_no_formula(anna):
    anna.username = "=HYPERLINK(1)"
    anna.save()
    sent(user=anna, at=INSIDE)
    assert ",'=HYPERLINK(1)," in as_csv(monthly_report(month=MONTH))


def test_the_command_reports_for_people_and_programs(ledger, capsys):
    call_command("hili_credits", "--month", "2026-10", "--json")
    found = json.loads(capsys.readouterr().out)
    assert (found["month"], found["charged"], len(found["lines"])) == ("2026-10", 5, 4)
    assert found["lines"][1]["user"] == "anna"
    call_command("hili_credits", "--month", "2026-10")
    assert "anna" in capsys.readouterr().out
    with pytest.raises(CommandError):
        call_command("hili_credits", "--month", "October")


@pytest.mark.process
def test_the_command_shows_balances(vendor, capsys):
    call_command("hili_credits", "--json")
    assert json.loads(capsys.readouterr().out)["providers"][0]["credits"] is None
    call_command("hili_credits", "--refresh", "--json")
    found = json.loads(capsys.readouterr().out)["providers"]
    assert [(line["provider"], line["credits"], line["is_low"]) for line in found] == [
        ("hili", 1000, False)
    ]
    call_command("hili_credits", "--refresh")
    assert "1000" in capsys.readouterr().out
