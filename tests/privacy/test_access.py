"""Three permissions, a receipt for each look, and a list of who may look."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from django_hili.models import Case, CaseKind, Media, PhotoJob, Receipt
from django_hili.privacy.consent.subjects import subject_ref_for
from django_hili.privacy.rights import access, cases
from tests.people import enhance

pytestmark = pytest.mark.django_db(transaction=True)
LEAST = pytest.mark.clause(
    "HILI-5c", "AIART-4.2.1a", "AIART-4.2.1d", "AIART-4.2.3", "PIXEL-4.1b", "MIAO-7.3c"
)
MASKED = pytest.mark.clause("AIART-4.2.1c")
REVIEW = pytest.mark.clause("MIAO-7.3c", "HILI-5c")


@pytest.fixture
def job(anna, photo, work):
    job = enhance(photo, operations=["sr"], scale=2, subject=anna)
    work()
    return job


@pytest.fixture
def staff_with(django_user_model):
    """Make a member of staff with these permissions, and their browser."""

    def make(*codes: str, name: str = "carl"):
        user = django_user_model.objects.create_user(name, password=name, is_staff=True)
        for code in codes:
            user.user_permissions.add(
                Permission.objects.get(codename=code, content_type__app_label="django_hili")
            )
        client = Client()
        client.force_login(user)
        client.user = user
        return client

    return make


def addresses(job) -> dict[str, str]:
    return {
        "list": reverse("admin:django_hili_photojob_changelist"),
        "photo": reverse("admin:django_hili_photojob_after", args=[job.pk]),
        "erase": reverse("admin:django_hili_photojob_delete", args=[job.pk]),
        "cases": reverse("admin:django_hili_case_changelist"),
    }


@LEAST
@pytest.mark.parametrize(
    ("codes", "allowed"),
    [
        ((), set()),
        (("view_photojob",), {"list"}),
        (("see_photo",), {"photo"}),
        (("view_photojob", "see_photo"), {"list", "photo"}),
        (("view_photojob", "erase_photo"), {"list", "erase"}),
        (("view_case",), {"cases"}),
    ],
)
def test_each_permission_opens_its_own_door_and_no_other(job, staff_with, codes, allowed):
    client = staff_with(*codes)
    opened = {
        name for name, address in addresses(job).items() if client.get(address).status_code == 200
    }
    assert opened == allowed


@LEAST
def test_each_look_of_staff_at_a_photo_leaves_a_receipt(job, staff_with):
    client = staff_with("see_photo")
    seen = Receipt.objects.filter(kind="photo_seen")
    answer = client.get(addresses(job)["photo"])
    assert b"".join(answer.streaming_content)[:2] == b"\xff\xd8"
    (receipt,) = seen
    assert receipt.object_id == str(job.pk)
    assert receipt.facts == f'{{"by":"{subject_ref_for(client.user)}"}}'
    for word in (client.user.username, "anna"):
        assert word not in receipt.facts
    stranger = staff_with("view_photojob", name="dora")
    assert stranger.get(addresses(job)["photo"]).status_code == 403
    assert seen.count() == 1, "who was refused has seen nothing"


@MASKED
def test_lists_hold_no_picture_and_no_name(job, anna, staff_with):
    client = staff_with("view_photojob", "view_case", "answer_case", "see_photo", "erase_photo")
    ref = subject_ref_for(anna)
    cases.open_case(kind=CaseKind.COMPLAIN, subject_ref=ref, text="CANARYWORDS")
    for name in ("list", "cases"):
        page = client.get(addresses(job)[name]).content.decode()
        body = page.partition('id="content')[2]
        assert body
        pictures = re.findall(r'<img src="([^"]+)"', body)
        assert all(address.startswith("/static/admin/") for address in pictures)
        for hidden in ("anna", str(ref), "CANARYWORDS", Media.objects.get().name):
            assert hidden not in body, (name, hidden)
    assert str(PhotoJob.objects.get().subject_ref) == str(ref)
    assert Case.objects.count() == 1


@REVIEW
def test_the_report_names_everybody_who_may_see_photos(job, staff_with, django_user_model):
    staff_with("see_photo", name="carl")
    staff_with("view_photojob", "erase_photo", name="dora")
    group = Group.objects.create(name="lab")
    group.permissions.add(Permission.objects.get(codename="see_photo"))
    django_user_model.objects.create_user("emma", password="emma").groups.add(group)
    django_user_model.objects.create_superuser("root", password="root")
    gone = django_user_model.objects.create_superuser("gone", password="gone")
    gone.is_active = False
    gone.save()
    viewers = access.access_report().viewers
    assert [(viewer.name, viewer.is_superuser) for viewer in viewers] == [
        ("carl", False), ("emma", False), ("root", True),
    ]  # fmt: skip


@REVIEW
def test_a_review_older_than_ninety_days_is_a_finding(job, django_user_model):
    boss = django_user_model.objects.create_superuser("boss", password="boss")
    now = timezone.now()
    quarter = dt.timedelta(days=90, minutes=1)
    assert not access.is_review_due(now)
    assert access.is_review_due(now + quarter), "nobody has ever looked"
    access.record_review(staff=boss)
    assert access.last_review() >= now
    assert not access.access_report(now=now + dt.timedelta(days=90)).is_review_due
    assert access.access_report(now=now + quarter).is_review_due


def test_where_nobody_may_see_photos_nothing_has_to_be_reviewed(job):
    assert access.who_may_see() == ()
    assert not access.is_review_due(timezone.now() + dt.timedelta(days=900))
