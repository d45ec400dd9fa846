"""What staff may do with jobs and providers: each behind a page, a permission and a count."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.core.files.base import ContentFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

import django_hili
from django_hili.models import (
    Breaker,
    Disclosure,
    HeldReason,
    JobStatus,
    PhotoJob,
    ProviderState,
    SendState,
)
from django_hili.privacy.consent.subjects import subject_ref_for
from tests.host.models import Portrait
from tests.people import enhance, enhance_many
from tests.vendors import charges, vendor_for

pytestmark = pytest.mark.django_db(transaction=True)
JOBS = "/admin/django_hili/photojob/"
PROVIDERS = "/admin/django_hili/providerstate/"


@pytest.fixture
def desk(django_user_model):
    client = Client()
    client.force_login(django_user_model.objects.create_superuser("staff", password="staff"))
    return client


@pytest.fixture
def clerk(django_user_model):
    """Make a member of staff with these permissions alone."""

    def make(*codenames: str) -> Client:
        user = django_user_model.objects.create_user("clerk", password="x", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client = Client()
        client.force_login(user)
        return client

    return make


@pytest.fixture
def portrait(anna, photo) -> Portrait:
    made = Portrait(owner=anna, title="Ada")
    made.image.save("a.jpg", ContentFile(photo))
    return made


@pytest.fixture
def job(portrait, anna) -> PhotoJob:
    return enhance(portrait.image, operations=["sr"], scale=2, subject=anna)


@pytest.fixture
def vendor(settings):
    with vendor_for(settings) as sandbox:
        yield sandbox


def page(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, address
    return answer.content.decode()


def confirm(client: Client, address: str, **words: str) -> str:
    return client.post(address, {"confirm": "yes", **words}, follow=True).content.decode()


def set_state(job: PhotoJob, **columns: object) -> None:
    PhotoJob.objects.filter(pk=job.pk).update(**columns)


def do(job: PhotoJob, verb: str) -> str:
    return f"{JOBS}{job.pk}/do/{verb}/"


def test_a_job_is_held_and_released_by_buttons(desk, job):
    shown = page(desk, f"{JOBS}{job.pk}/change/")
    assert do(job, "hold") in shown
    assert do(job, "release") not in shown
    assert "They wait until somebody releases them." in page(desk, do(job, "hold"))
    job.refresh_from_db()
    assert job.status == JobStatus.QUEUED
    assert "1 photo job is held." in confirm(desk, do(job, "hold"))
    shown = page(desk, f"{JOBS}{job.pk}/change/")
    assert "Held because: a person asked for it." in shown
    assert do(job, "release") in shown
    assert "1 photo job goes on." in confirm(desk, do(job, "release"))
    job.refresh_from_db()
    assert job.status == JobStatus.QUEUED
    logged = LogEntry.objects.filter(object_id=str(job.pk))
    assert len([entry for entry in logged if "hold" in entry.change_message]) == 1
    assert logged.count() == 2


def test_a_possible_charge_is_named_and_has_to_be_accepted(desk, job):
    set_state(job, status=JobStatus.HELD, held_reason=HeldReason.SEND_UNKNOWN, code="send_unknown")
    asked = page(desk, do(job, "release"))
    assert "It may be charged a second time." in asked
    refused = confirm(desk, do(job, "release"))
    assert "Say that you accept the possible charge, or do nothing." in refused
    job.refresh_from_db()
    assert job.status == JobStatus.HELD
    confirm(desk, do(job, "release"), accept_possible_charge="yes")
    job.refresh_from_db()
    assert job.status == JobStatus.QUEUED


def test_each_verb_needs_its_permission(clerk, job):
    client = clerk("view_photojob")
    shown = page(client, f"{JOBS}{job.pk}/change/")
    for verb in ("cancel", "hold", "release", "retry"):
        assert do(job, verb) not in shown
        assert client.post(do(job, verb), {"confirm": "yes"}).status_code == 403
        assert f"{verb}_selected" not in page(client, JOBS)
    assert client.get(f"{JOBS}{job.pk}/again/").status_code == 403
    assert client.get(f"{PROVIDERS}").status_code == 403
    assert client.post(f"{PROVIDERS}local/do/pause/").status_code == 403
    assert client.get(f"{PROVIDERS}report/").status_code == 403
    job.refresh_from_db()
    assert job.status == JobStatus.QUEUED
    assert not LogEntry.objects.exists()


def test_who_may_hold_may_not_therefore_spend(clerk, job):
    client = clerk("view_photojob", "change_photojob")
    assert "1 photo job is held." in confirm(client, do(job, "hold"))
    assert client.post(do(job, "release"), {"confirm": "yes"}).status_code == 403


def test_verbs_and_jobs_that_are_not_there(desk, job):
    assert desk.get(do(job, "explode")).status_code == 404
    address = do(job, "hold")
    job.delete()
    assert desk.get(address).status_code == 404


def test_a_failed_job_is_retried_or_says_why_not(desk, job, anna):
    django_hili.cancel(job_id=job.pk)
    set_state(job, status=JobStatus.FAILED, code="engine_crashed")
    assert do(job, "retry") in page(desk, f"{JOBS}{job.pk}/change/")
    assert "1 photo goes again." in confirm(desk, do(job, "retry"))
    again = PhotoJob.objects.get(again_of=job.pk)
    assert again.requested_by_ref != anna.pk
    assert f"{JOBS}{job.pk}/change/" in page(desk, f"{JOBS}{again.pk}/change/")
    assert "This is being done again already." in confirm(desk, do(job, "retry"))
    set_state(job, code="person_not_found")
    shown = page(desk, f"{JOBS}{job.pk}/change/")
    assert "The same photo would fail in the same way." in shown
    assert do(job, "retry") not in shown


def test_many_jobs_at_once_are_counted(desk, job, portrait, anna):
    other = enhance(portrait.image, operations=["sr"], scale=2, subject=anna)
    set_state(other, status=JobStatus.DONE)
    keys = {"_selected_action": [str(job.pk), str(other.pk)]}
    asked = desk.post(JOBS, {"action": "hold_selected", **keys}).content.decode()
    assert "1 chosen job is in another state and is left as it is." in asked
    done = confirm(desk, JOBS, action="hold_selected", **keys)
    assert "1 photo job is held." in done
    nothing = desk.post(JOBS, {"action": "retry_selected", **keys}, follow=True)
    assert "None of these jobs is in a state that allows this." in nothing.content.decode()


def test_jobs_are_filtered_by_why_they_are_held(desk, job):
    set_state(job, status=JobStatus.HELD, held_reason=HeldReason.ON_REQUEST)
    assert str(job.pk) in page(desk, f"{JOBS}?held_reason__exact=on_request")
    assert str(job.pk) not in page(desk, f"{JOBS}?held_reason__exact=send_unknown")


def test_the_list_offers_no_batches_and_looks_through_no_jobs_for_its_filters(desk, photo, anna):
    batches = [enhance_many([photo], subject=anna, operations=["sr"], scale=2) for _ in range(3)]
    with CaptureQueriesContext(connection) as asked:
        shown = page(desk, JOBS)
    looks = [query["sql"] for query in asked if "DISTINCT" in query["sql"]]
    assert not [sql for sql in looks if "provider" in sql or "preset" in sql or "batch" in sql]
    assert "batch__id__exact" not in shown
    assert f"{JOBS}{batches[0].jobs[0].pk}/" in shown
    mine = batches[1].batch.pk
    followed = page(desk, f"{JOBS}?batch__id__exact={mine}")
    links = {str(made.jobs[0].pk) for made in batches if f"{JOBS}{made.jobs[0].pk}/" in followed}
    assert links == {str(batches[1].jobs[0].pk)}
    assert desk.get(f"{JOBS}?batch__id__exact=moon")["Location"].endswith("?e=1")


def test_jobs_are_filtered_by_provider_and_preset(desk, job, photo, anna):
    other = enhance(photo, preset="photo-repair-2x", subject=anna)
    PhotoJob.objects.filter(pk=job.pk).update(provider="gone")

    def listed(query):
        shown = page(desk, f"{JOBS}?{query}")
        return {made.pk for made in (job, other) if f"{JOBS}{made.pk}/" in shown}

    assert "?provider=local" in page(desk, JOBS)
    assert "?preset=photo-4x" in page(desk, JOBS)
    assert listed("provider=local") == {other.pk}
    assert listed("provider=gone") == {job.pk}
    assert listed("preset=photo-repair-2x") == {other.pk}
    assert listed("preset=photo-4x") == set()


def test_the_page_of_a_job_speaks_in_labels(desk, job, work):
    work()
    shown = page(desk, f"{JOBS}{job.pk}/change/")
    assert "<dd>Enlarge with more detail (super-resolution) · 2×</dd>" in shown
    assert "<dd>People</dd>" in shown
    assert "<dt>sr</dt>" not in shown
    french = desk.get(f"{JOBS}{job.pk}/change/", headers={"Accept-Language": "fr"})
    assert "<dd>Personnes</dd>" in french.content.decode()


@pytest.mark.process
def test_costs_and_balance_are_shown_before_anything_is_sent(desk, vendor, job):
    django_hili.refresh_balance(provider="hili")
    django_hili.hold(job_id=job.pk)
    asked = page(desk, do(job, "release"))
    assert "It costs <strong>1 credit</strong> with hili." in asked
    assert "1000 credits were left 0" in asked
    ProviderState.objects.update(credits=0)
    assert "That is not enough" in page(desk, do(job, "release"))
    assert charges(vendor) == 0


@pytest.mark.process
@pytest.mark.usefixtures("atomic_requests")
def test_selected_jobs_are_retried_with_the_copy_their_provider_holds(desk, vendor, job, work):
    work()
    set_state(job, status=JobStatus.FAILED, code="engine_crashed")
    words = {"action": "retry_selected", "_selected_action": [str(job.pk)]}
    assert "1 photo goes again." in confirm(desk, JOBS, **words)
    assert PhotoJob.objects.get(again_of=job.pk).status == JobStatus.PROCESSING


@pytest.mark.process
@pytest.mark.usefixtures("atomic_requests")
def test_a_photo_is_processed_again_with_other_choices(desk, vendor, job, work):
    work()
    address = f"{JOBS}{job.pk}/again/"
    assert address in page(desk, f"{JOBS}{job.pk}/change/")
    assert "charged" in page(desk, f"{JOBS}{job.pk}/change/")
    asked = page(desk, address)
    assert "still holds the photo: only the choices are sent." in asked
    assert "It costs <strong>1 credit</strong> with hili." in asked
    assert "the provider picks" in asked
    wrong = desk.post(address, {"operations": ["bg"], "image_type": "people"})
    assert "needs a background" in wrong.content.decode()
    done = desk.post(
        address, {"operations": ["sr"], "image_type": "landscape", "scale": "4"}, follow=True
    )
    assert "The photo is being processed again." in done.content.decode()
    again = PhotoJob.objects.get(again_of=job.pk)
    assert (again.image_type, again.scale, again.status) == ("landscape", 4, "processing")
    assert LogEntry.objects.filter(object_id=str(job.pk)).count() == 1
    assert charges(vendor) == 2


def test_a_job_that_has_not_ended_is_not_processed_again(desk, job):
    assert desk.get(f"{JOBS}{job.pk}/again/").status_code == 404


@pytest.mark.process
def test_a_provider_is_paused_resumed_and_counted(desk, vendor, job):
    assert "hili" in page(desk, PROVIDERS)
    shown = page(desk, f"{PROVIDERS}hili/change/")
    assert "Nobody has counted what is left." in shown
    assert "available" in shown
    assert "1 waiting job is held until you resume" in page(desk, f"{PROVIDERS}hili/do/pause/")
    assert not ProviderState.objects.get(alias="hili").is_paused
    assert "1 photo job waits." in confirm(desk, f"{PROVIDERS}hili/do/pause/")
    assert "paused by staff" in page(desk, f"{PROVIDERS}hili/change/")
    assert "1 photo job goes on." in confirm(desk, f"{PROVIDERS}hili/do/resume/")
    assert "1000 credits are left." in confirm(desk, f"{PROVIDERS}hili/do/count/")
    assert "<strong>1000</strong>" in page(desk, f"{PROVIDERS}hili/change/")
    assert LogEntry.objects.filter(object_id="hili").count() == 3
    ProviderState.objects.update(breaker=Breaker.DOWN, ask_again_at=timezone.now())
    shown = page(desk, f"{PROVIDERS}hili/change/")
    assert "it does not answer" in shown
    assert "It is asked again with the next photo." in shown, "no hour that is over"
    later = timezone.now() + timezone.timedelta(minutes=1)
    ProviderState.objects.update(ask_again_at=later)
    shown = page(desk, f"{PROVIDERS}hili/change/")
    assert "Asked again: " in shown
    assert "m.." not in shown
    for hidden in (vendor.third_code, vendor.secret_key, vendor.base_url):
        assert hidden not in shown


@pytest.mark.process
def test_staff_let_the_count_settle_doubts_again(desk, vendor):
    button = "Let the count settle doubts again"
    ProviderState.objects.create(alias="hili", credits=7, base_credits=7, base_at=timezone.now())
    assert button not in page(desk, f"{PROVIDERS}hili/change/")
    ProviderState.objects.update(is_shared=True)
    shown = page(desk, f"{PROVIDERS}hili/change/")
    assert "a package has lapsed" in shown
    assert button in shown
    assert "The count settles doubts again." in confirm(desk, f"{PROVIDERS}hili/do/trust/")
    state = ProviderState.objects.get()
    assert (state.is_shared, state.base_credits, state.base_at) == (False, None, None)
    assert button not in page(desk, f"{PROVIDERS}hili/change/")
    assert LogEntry.objects.filter(object_id="hili").count() == 1


def test_a_look_at_a_provider_changes_nothing(desk, job):
    for verb in ("resume", "count", "trust"):
        assert desk.get(f"{PROVIDERS}local/do/{verb}/").status_code == 302
    assert desk.get(f"{PROVIDERS}moon/do/pause/").status_code == 404
    assert desk.get(f"{PROVIDERS}local/do/explode/").status_code == 404
    assert not ProviderState.objects.filter(is_paused=True).exists()


def test_the_report_of_a_month_as_a_page_and_as_a_file(desk, anna):
    now = timezone.now()
    Disclosure.objects.create(
        processor_policy="p",
        job_id="00000000-0000-0000-0000-000000000001", provider="hili", items=[],
        operations=["sr"], basis="consent", token=1, state=SendState.ANSWERED, charged=True,
        size=1, intended_at=now, requested_by_ref=subject_ref_for(anna),
    )  # fmt: skip
    shown = page(desk, f"{PROVIDERS}report/")
    assert "<td>anna</td><td>Enlarge with more detail (super-resolution)</td>" in shown
    file = desk.get(f"{PROVIDERS}report/?csv")
    assert file["Content-Type"].startswith("text/csv")
    assert "attachment" in file["Content-Disposition"]
    assert ",hili,anna,sr,1,1,0" in file.content.decode()
    assert "Nothing was sent in this month." in page(desk, f"{PROVIDERS}report/?month=2020-01")
    assert "anna" in page(desk, f"{PROVIDERS}report/?month=nonsense")


@pytest.mark.process
def test_who_changes_the_provider_is_told_its_terms_first(desk, vendor, portrait, settings):
    local = {"BACKEND": "django_hili.providers.local.LocalProvider"}
    known = {"local": local, **settings.HILI["PROVIDERS"]}
    settings.HILI = {**settings.HILI, "PROVIDERS": known, "DEFAULT_PROVIDER": "local"}
    data = {
        "action": "enhance_selected_photos", "_selected_action": [portrait.pk], "confirm": "yes",
        "provider": "hili", "preset": "photo-repair", "basis": "no_personal_data",
    }  # fmt: skip
    shown = desk.post("/admin/host/portrait/", {**data, "shown_provider": "local"})
    assert "It costs <strong>1 credit</strong> with hili." in shown.content.decode()
    assert not PhotoJob.objects.exists()
    desk.post("/admin/host/portrait/", {**data, "shown_provider": "hili"})
    assert PhotoJob.objects.get().provider == "hili"


@pytest.mark.process
def test_over_the_sites_cap_nothing_is_enhanced(desk, vendor, portrait, settings):
    settings.HILI = {**settings.HILI, "LIMITS": {"MAX_CREDITS_PER_BATCH": 0}}
    data = {
        "action": "enhance_selected_photos", "_selected_action": [portrait.pk], "confirm": "yes",
        "provider": "hili", "preset": "photo-repair", "basis": "attestation", "reason": "Letter",
    }  # fmt: skip
    shown = desk.post("/admin/host/portrait/", data).content.decode()
    assert "Credits needed: 1. Allowed at once: 0." in shown
    assert not PhotoJob.objects.exists()
