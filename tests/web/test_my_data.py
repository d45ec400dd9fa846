"""*Your photos and your data*: each right by plain forms, for its owner alone, in any language."""

from __future__ import annotations

import html
import io
import re
import zipfile

import pytest
from django.test import Client, RequestFactory
from django.urls import resolve, reverse
from django.utils import timezone

from django_hili.jobs.queries import timeline, why_gone
from django_hili.models import (
    Case,
    Consent,
    EraseCause,
    Handover,
    Media,
    PhotoJob,
    Receipt,
    SendState,
    Subject,
)
from django_hili.privacy.consent.consents import consents_of
from django_hili.privacy.consent.subjects import known_subject_ref, subject_ref_for
from django_hili.privacy.rights.withdrawal import withdraw_consent
from tests.people import client_of, enhance
from tests.privacy.test_rights import send

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = "/hili/privacy/"


@pytest.fixture
def job(anna, photo, work):
    job = enhance(photo, operations=["sr"], scale=2, subject=anna)
    work()
    return job


def words(answer) -> str:
    return re.sub(r"<[^>]+>|\s+", " ", answer.content.decode())


@pytest.mark.clause("HILI-6", "AIART-5.1", "PIXEL-6.1", "MIAO-8.1")
def test_a_person_sees_their_photos_and_nobody_elses(anna, ben, job):
    answer = client_of(anna).get(PAGE)
    assert answer["Cache-Control"] == "private, no-store"
    assert f"{PAGE}photos/{job.pk}/" in answer.content.decode()
    assert "No photo of yours is stored here." in words(client_of(ben).get(PAGE))
    picture = client_of(anna).get(f"{PAGE}photos/{job.pk}/")
    assert b"".join(picture.streaming_content)[:2] == b"\xff\xd8"
    for method, part in (("get", ""), ("get", "delete/"), ("post", "delete/")):
        answer = getattr(client_of(ben), method)(f"{PAGE}photos/{job.pk}/{part}")
        assert answer.status_code == 404


@pytest.mark.clause("HILI-6", "PIXEL-6.2a", "HILI-API-6")
def test_a_photo_is_deleted_after_one_question(anna, job, stored):
    send(job, state=SendState.ANSWERED, vendor_due_at=timezone.now() + timezone.timedelta(hours=1))
    client = client_of(anna)
    address = f"{PAGE}photos/{job.pk}/delete/"
    assert "Delete this photo?" in words(client.get(address))
    assert len(stored()) == 1
    done = words(client.post(address))
    assert "Copies elsewhere" in done
    assert "hili (mainland China): deleted on" in done
    assert stored() == {}


@pytest.mark.clause("HILI-6", "AIART-5.3", "MIAO-8.4")
def test_cancelling_by_the_page(anna, job, stored):
    client = client_of(anna)
    client.get(PAGE + "cancel/")
    assert PhotoJob.objects.exists()
    assert "Everything about you is gone." in words(client.post(PAGE + "cancel/"))
    assert stored() == {}
    assert known_subject_ref(anna) is None
    assert client.get(PAGE).status_code == 200


@pytest.mark.clause("HILI-6", "AIART-5.4", "PIXEL-6.3", "MIAO-8.3")
def test_a_consent_is_withdrawn_by_one_button(anna, job, stored):
    client = client_of(anna)
    assert "Enhancing the photo" in words(client.get(PAGE))
    client.post(PAGE + "withdraw/", {"purpose": "enhance", "processor": ""})
    assert stored() == {}
    actions = {event.purpose: event.action for event in consents_of(anna)}
    assert actions.pop("enhance") == "withdraw"
    assert set(actions.values()) == {"grant"}, "the others stand"
    client.post(PAGE + "withdraw/")
    assert {event.action for event in consents_of(anna)} == {"withdraw"}
    assert "You have agreed to nothing here." in words(client.get(PAGE))


@pytest.mark.clause("HILI-6", "MIAO-8.1")
def test_the_age_band_is_corrected(anna, job, stored):
    client_of(anna).post(PAGE + "correct/", {"age_band": "child"})
    assert Subject.objects.get(user_key=str(anna.pk)).age_band == "child"
    assert stored() == {}
    client = Client()
    client.force_login(anna)
    client.post(PAGE + "correct/", {"age_band": "old"})
    assert Subject.objects.get(user_key=str(anna.pk)).age_band == "child"


@pytest.mark.clause("HILI-6", "HILI-9", "AIART-9", "PIXEL-9")
def test_a_complaint_is_sent_and_shown_with_its_date(anna):
    client = client_of(anna)
    answer = client.post(PAGE, {"kind": "complain", "text": "Too <b>slow</b>."}, follow=True)
    page = answer.content.decode()
    assert "Too &lt;b&gt;slow&lt;/b&gt;." in page
    assert "Answer due on" in page
    assert "privacy@example.org" in page
    again = client.post(PAGE, {"kind": "complain", "text": " "})
    assert again.status_code == 422
    assert "Write a few words" in words(again)
    assert Case.objects.count() == 1


@pytest.mark.clause("HILI-6", "MIAO-8.5")
def test_a_copy_and_a_link_to_it(anna, job):
    client = client_of(anna)
    archive = b"".join(client.get(PAGE + "copy/").streaming_content)
    assert "manifest.json" in zipfile.ZipFile(io.BytesIO(archive)).namelist()
    page = client.post(PAGE + "copy/link/").content.decode()
    address = re.search(r'value="(http[^"]+)"', page)[1]
    assert "Take the link back" in words(client.get(PAGE))
    client.post(PAGE + "copy/link/end/")
    assert Client().get(address).status_code == 410


@pytest.mark.parametrize("name", [
    "my-data", "my-copy", "new-handover", "end-handover", "delete-photos", "withdraw", "correct",
    "cancel-account",
])  # fmt: skip
def test_every_page_asks_for_a_login(name):
    address = reverse(f"hili:{name}")
    for method in ("get", "post"):
        answer = getattr(Client(), method)(address)
        assert answer.status_code == 302
        assert "login" in answer["Location"]


@pytest.mark.parametrize("name", ["new-handover", "end-handover", "withdraw", "correct"])
def test_looking_changes_nothing_and_leads_back(anna, job, name):
    client, before = client_of(anna), everything()
    address = reverse(f"hili:{name}")
    for query in ("", "?purpose=longer", "?purpose=enhance", "?age_band=child", "?age_band=x"):
        answer = client.get(address + query, follow=True)
        assert answer.status_code == 200, "a page reloaded, or read in another language"
        assert client.head(address + query).status_code in {200, 302}
    assert everything() == before


def everything() -> list:
    rows = (Consent, Handover, Media, PhotoJob, Receipt, Subject)
    return [list(model.objects.order_by("pk").values()) for model in rows]


def test_what_follows_is_said_before_a_consent_goes_or_an_age_is_corrected(anna, job, stored):
    client = client_of(anna)
    page = client.get(PAGE).content.decode()
    address = html.unescape(re.search(r'href="([^"]+withdraw/\?purpose=enhance[^"]*)"', page)[1])
    asked = words(client.get(address))
    assert "Withdraw this?" in asked
    assert "what is stored because of it is deleted" in asked
    asked = words(client.get(PAGE + "correct/?age_band=minor"))
    assert "14 to 17" in asked
    assert "until then your photos are deleted" in asked
    assert len(stored()) == 1
    client.post(address)
    actions = {event.purpose: event.action for event in consents_of(anna)}
    assert actions.pop("enhance") == "withdraw"
    assert set(actions.values()) == {"grant"}, "what the address names and nothing else"


def test_a_deleted_result_says_why(anna, job):
    client = client_of(anna)
    assert "Kept until" in words(client.get(PAGE))
    client.post(PAGE + "withdraw/", {"purpose": "enhance"})
    page = words(client.get(PAGE))
    assert "Result deleted consent was withdrawn" in page
    job.refresh_from_db()
    gone = {moment.text for moment in timeline(job, now=timezone.now())}
    assert "Result deleted: consent was withdrawn" in {str(text) for text in gone}


def test_a_result_whose_time_is_over_says_so(anna, job):
    PhotoJob.objects.update(ended_at=timezone.now() - timezone.timedelta(days=40))
    Media.objects.all().delete()
    job.refresh_from_db()
    assert why_gone(job) == EraseCause.EXPIRED
    PhotoJob.objects.update(ended_at=timezone.now())
    job.refresh_from_db()
    assert why_gone(job) is None, "nothing tells"


def test_a_photo_under_another_ground_names_it(anna, photo, work):
    enhance(photo, operations=["sr"], scale=2, subject=anna, basis="attestation",
            reason="They asked on paper")  # fmt: skip
    work()
    assert "attested by the operator" in words(client_of(anna).get(PAGE))


def test_a_request_is_confirmed_and_none_is_chosen_beforehand(anna):
    client = client_of(anna)
    assert '<option value="" selected>' in client.get(PAGE).content.decode()
    assert client.post(PAGE, {"kind": "", "text": ""}).status_code == 422
    assert not Case.objects.exists()
    answer = client.post(PAGE, {"kind": "access", "text": ""}, follow=True)
    assert "We have your request." in words(answer)
    assert "We have your request." not in words(client.get(PAGE))


def test_every_page_leads_back_to_the_site(anna):
    for part in ("", "policy/", "cancel/", "photos/delete/"):
        page = client_of(anna).get(PAGE + part).content.decode()
        assert '<a href="/">Back to the site</a>' in page
        assert reverse("hili:policy") in page


@pytest.mark.parametrize("part", ["", "withdraw/", "cancel/", "photos/delete/", "copy/link/"])
def test_no_other_site_can_press_a_button(anna, job, stored, part):
    client = Client(enforce_csrf_checks=True)
    client.force_login(anna)
    assert client.post(PAGE + part).status_code == 403
    assert len(stored()) == 1


@pytest.mark.parametrize(
    ("language", "title"),
    [("en", "Your photos and your data"), ("zh-hans", "您的照片和您的数据"),
     ("ja", "あなたの写真とデータ"), ("es", "Sus fotos y sus datos"),
     ("fr", "Vos photos et vos données")],
)  # fmt: skip
def test_the_page_is_in_the_readers_language(anna, language, title):
    page = client_of(anna).get(PAGE, headers={"Accept-Language": language}).content.decode()
    assert f'<html lang="{language}">' in page
    assert f"<h1>{title}</h1>" in page
    assert "<script" not in page


@pytest.mark.clause("PIXEL-4.4a", "HILI-4.2")
def test_a_photo_is_kept_for_longer_by_a_form_that_is_there_only_with_the_consent(anna, ben, job):
    client, address = client_of(anna), f"{PAGE}photos/{job.pk}/keep/"
    assert address in client.get(PAGE).content.decode()
    before = Media.objects.live().get(job=job).expires_at
    day = (timezone.localdate() + timezone.timedelta(days=90)).isoformat()
    assert client_of(ben).post(address, {"until": day}).status_code == 404
    assert client.post(address, {"until": day}).status_code == 302
    after = Media.objects.live().get(job=job).expires_at
    assert after > before
    assert after.date().isoformat() == day
    for until in ("", "2999-01-01"):
        answer = client.post(address, {"until": until})
        assert answer.status_code == 422
        assert 'role="alert"' in answer.content.decode()
    withdraw_consent(subject=anna, purpose="longer")
    assert address not in client.get(PAGE).content.decode()


API = "/hili/api/v1/"
LOOKS = [
    *(f"{PAGE}{place}" for place in (
        "", "photos/{job}/", "photos/{job}/?download=1", "photos/{job}/delete/", "photos/delete/",
        "copy/", "policy/", "cancel/",
    )),
    f"{API}jobs/{{job}}/result/?download=1",
    f"{API}privacy/copy/",
]  # fmt: skip


@pytest.mark.parametrize("place", LOOKS)
def test_a_look_at_the_headers_is_answered_and_does_nothing(anna, job, place, stored, settings):
    """The server reads a body to its end also where it does not send it."""
    settings.HILI = {"PRIVACY": {**settings.HILI["PRIVACY"], "RESULT_ON_DELIVERY": True}}
    subject_ref_for(anna)
    before, receipts = stored(), Receipt.objects.count()
    request = RequestFactory().head(place.format(job=job.pk))
    request.user = anna
    found = resolve(request.path)
    answer = found.func(request, *found.args, **found.kwargs)
    assert answer.status_code == 200
    if answer.streaming:
        assert b"".join(answer) == b""
    assert (stored(), Receipt.objects.count()) == (before, receipts)
    assert PhotoJob.objects.filter(pk=job.pk).exists()
