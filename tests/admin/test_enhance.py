"""The staff door: enhance selected photos, follow the jobs, delete them."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import Permission
from django.core.files.base import ContentFile
from django.db.models.signals import post_init
from django.test import Client

from django_hili.models import Basis, JobStatus, PhotoBatch, PhotoJob
from tests import photos
from tests.host.models import Portrait

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "/admin/host/portrait/"
JOBS = "/admin/django_hili/photojob/"


@pytest.fixture
def staff(django_user_model):
    return django_user_model.objects.create_superuser("staff", password="staff")


@pytest.fixture
def desk(staff):
    client = Client()
    client.force_login(staff)
    return client


@pytest.fixture
def portraits(anna, photo):
    made = []
    for name in ("Ada", "Bo"):
        portrait = Portrait(owner=anna, title=name)
        portrait.image.save("a.jpg", ContentFile(photo))
        made.append(portrait)
    return made


def ask(desk, portraits, **words):
    data = {"action": "enhance_selected_photos", "_selected_action": [p.pk for p in portraits]}
    return desk.post(LIST, {**data, **words}, follow=True)


CONFIRMED = {
    "confirm": "yes", "provider": "local", "preset": "photo-4x", "basis": "attestation",
    "reason": "A signed form.",
}  # fmt: skip


def test_the_page_to_confirm_says_what_will_be_done(desk, portraits, stored):
    page = ask(desk, portraits).content.decode()
    assert "2 photos" in page
    assert "Enlarge four times" in page
    assert "Nothing leaves it" in page
    assert "kept until" in page
    assert not PhotoJob.objects.exists()
    assert stored() == {}


@pytest.mark.usefixtures("atomic_requests")
def test_confirmed_photos_are_enhanced(desk, portraits, anna, staff, work):
    page = ask(desk, portraits, **CONFIRMED).content.decode()
    assert "2 photos are being enhanced." in page
    jobs = PhotoJob.objects.all()
    assert {job.basis for job in jobs} == {Basis.ATTESTATION}
    assert {job.target_pk for job in jobs} == {str(p.pk) for p in portraits}
    assert len({job.subject_ref for job in jobs} | {job.requested_by_ref for job in jobs}) == 2
    assert PhotoBatch.objects.get().jobs.count() == 2
    work()
    assert set(jobs.values_list("status", flat=True)) == {JobStatus.DONE}
    listed = desk.get(f"{JOBS}?batch__id__exact={PhotoBatch.objects.get().pk}")
    assert listed.content.decode().count("hili-badge hili-done") == 2
    assert desk.get("/admin/django_hili/photobatch/").content.decode().count("2 / 2") == 1


def test_a_batch_leads_to_its_jobs_and_every_choice_has_a_name(desk, portraits):
    asked = ask(desk, portraits).content.decode()
    for name in ("preset", "basis", "reason"):
        field = re.search(rf"<fieldset(?:(?!</fieldset>).)*name=\"{name}\"", asked, re.DOTALL)[0]
        assert "<legend" in field or f'<label for="id_{name}">' in field, name
    ask(desk, portraits, **CONFIRMED)
    batch = PhotoBatch.objects.get()
    answer = desk.get(f"/admin/django_hili/photobatch/{batch.pk}/change/")
    assert answer["Location"] == f"{JOBS}?batch__id__exact={batch.pk}"


def test_staff_read_that_the_person_has_to_agree(desk, portraits, django_user_model):
    stranger = django_user_model.objects.create_user("erna")
    for portrait in portraits:
        portrait.owner = stranger
        portrait.save()
    page = ask(desk, portraits, **{**CONFIRMED, "basis": "consent"}).content.decode()
    assert "The person has to say how old they are, and agree" in page
    assert "record the answer" not in page


def test_nothing_happens_until_every_choice_is_made(desk, portraits):
    for missing in ("preset", "basis"):
        words = {key: value for key, value in CONFIRMED.items() if key != missing}
        page = ask(desk, portraits, **words).content.decode()
        assert "errornote" in page
    assert not PhotoJob.objects.exists()


def test_a_bad_photo_is_named_and_the_others_go_on(desk, portraits):
    portraits[0].image.save("b.jpg", ContentFile(photos.truncated_jpeg()))
    page = ask(desk, portraits, **CONFIRMED).content.decode()
    assert "1 photo is being enhanced." in page
    assert "1 photo was not taken:" in page
    assert "Ada: The photo is damaged or cut short." in page
    assert PhotoJob.objects.count() == 1


def test_rows_without_a_photo_are_refused(desk, anna):
    empty = Portrait.objects.create(owner=anna, title="Nobody")
    page = ask(desk, [empty]).content.decode()
    assert "rows that have a photo" in page


def test_of_a_selection_that_is_too_large_no_more_is_read_than_shows_that(
    desk, anna, portraits, settings
):
    settings.HILI = {"LIMITS": {"MAX_PHOTOS_PER_BATCH": 2}}
    more = [Portrait(owner=anna, title=str(n), image=portraits[0].image.name) for n in range(30)]
    Portrait.objects.bulk_create(more)
    read = []

    def count(instance, **_):
        read.append(instance)

    post_init.connect(count, sender=Portrait)
    try:
        answer = desk.post(LIST, {
            "action": "enhance_selected_photos", "select_across": "1",
            "_selected_action": [portraits[0].pk],
        })  # fmt: skip
    finally:
        post_init.disconnect(count, sender=Portrait)
    assert answer.status_code == 302
    assert "Choose between 1 and 2 rows" in desk.get(LIST).content.decode()
    assert len(read) == 3


def test_the_action_needs_its_permission(portraits, django_user_model):
    user = django_user_model.objects.create_user("helper", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__endswith="_portrait"))
    client = Client()
    client.force_login(user)
    assert "enhance_selected_photos" not in client.get(LIST).content.decode()
    ask(client, portraits, **CONFIRMED)
    assert not PhotoJob.objects.exists()


@pytest.fixture
def done(desk, portraits, work):
    ask(desk, portraits[:1], **CONFIRMED)
    work()
    return PhotoJob.objects.get()


def test_the_page_of_a_job_shows_before_and_after(desk, done, photo):
    page = desk.get(f"{JOBS}{done.pk}/change/").content.decode()
    assert "data-hili-compare" in page
    sources = re.findall(r'<img src="([^"]+)"', page)
    assert [source.rsplit("/", 2)[1] for source in sources] == ["after", "before"]
    after, before = (desk.get(source) for source in sources)
    assert b"".join(before.streaming_content) == photo
    assert len(b"".join(after.streaming_content)) > len(photo)
    for picture in (before, after):
        assert {"private", "no-store"} <= set(picture["Cache-Control"].split(", "))
    for words in ("Taken in, checked and queued", "Enhanced; the source was deleted",
                  "Result will be deleted", "attested by the operator"):  # fmt: skip
        assert words in page
    assert 'http-equiv="refresh"' not in page


def test_the_page_of_a_failed_job_says_why(desk, done):
    PhotoJob.objects.filter(pk=done.pk).update(status="failed", code="engine_timed_out")
    page = desk.get(f"{JOBS}{done.pk}/change/").content.decode()
    assert "This photo took too long to process." in page
    assert "engine_timed_out" in page


def test_the_page_of_a_waiting_job_reloads_itself(desk, portraits):
    ask(desk, portraits[:1], **CONFIRMED)
    page = desk.get(f"{JOBS}{PhotoJob.objects.get().pk}/change/").content.decode()
    assert 'http-equiv="refresh"' in page


def test_seeing_photos_is_a_permission_of_its_own(done, django_user_model):
    user = django_user_model.objects.create_user("clerk", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_photojob"))
    client = Client()
    client.force_login(user)
    page = client.get(f"{JOBS}{done.pk}/change/").content.decode()
    assert "<img" not in page
    assert "You may see this job but not its photos." in page
    assert client.get(f"{JOBS}{done.pk}/after/").status_code == 403
    assert client.get(f"{JOBS}{done.pk}/before/").status_code == 403
    assert client.post(f"{JOBS}{done.pk}/delete/", {"post": "yes"}).status_code == 403


def test_deleting_in_the_admin_erases(desk, done, stored):
    desk.post(f"{JOBS}{done.pk}/delete/", {"post": "yes"})
    assert not PhotoJob.objects.exists()
    assert stored() == {}


def test_deleting_many_in_the_admin_erases(desk, done, stored):
    data = {"action": "delete_selected", "_selected_action": [str(done.pk)], "post": "yes"}
    desk.post(JOBS, data)
    assert not PhotoJob.objects.exists()
    assert stored() == {}


def test_a_waiting_job_can_be_cancelled(desk, portraits, stored):
    ask(desk, portraits, **CONFIRMED)
    keys = [str(pk) for pk in PhotoJob.objects.values_list("pk", flat=True)]
    data = {"action": "cancel_selected", "_selected_action": keys}
    page = desk.post(JOBS, data, follow=True).content.decode()
    assert "What a provider has charged stays charged." in page
    assert set(PhotoJob.objects.values_list("status", flat=True)) == {JobStatus.QUEUED}
    page = desk.post(JOBS, {**data, "confirm": "yes"}, follow=True).content.decode()
    assert "Nothing was charged." in page
    assert "2 photo jobs were cancelled." in page
    assert set(PhotoJob.objects.values_list("status", flat=True)) == {JobStatus.CANCELLED}
    assert stored() == {}


def test_a_job_cannot_be_added_or_edited(desk, done):
    assert desk.get(f"{JOBS}add/").status_code == 403
    assert desk.post(f"{JOBS}{done.pk}/change/", {"status": "queued"}).status_code == 403
    done.refresh_from_db()
    assert done.status == JobStatus.DONE


def test_the_list_touches_no_storage(desk, done, monkeypatch):
    def refuse(*args, **options):
        raise AssertionError("a list page touched the storage")

    monkeypatch.setattr("django.core.files.storage.FileSystemStorage.open", refuse)
    monkeypatch.setattr("django.core.files.storage.FileSystemStorage.exists", refuse)
    assert desk.get(JOBS).status_code == 200


def test_strangers_do_not_get_in(done, anna):
    client = Client()
    client.force_login(anna)
    for address in (JOBS, f"{JOBS}{done.pk}/change/", f"{JOBS}{done.pk}/after/"):
        assert client.get(address).status_code == 302
