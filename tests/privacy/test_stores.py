"""What the site itself holds is erased too, and asked for until it is."""

from __future__ import annotations

import datetime as dt
import uuid
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from django_hili.models import EraseCause, Erasure, Media, Receipt
from django_hili.privacy.audit.check import audit
from django_hili.privacy.erasure import stores
from django_hili.privacy.erasure.erase import condemn, erase_condemned
from django_hili.privacy.erasure.stores import Scope, decide, erase_elsewhere
from django_hili.privacy.erasure.sweep import sweep
from tests import people

pytestmark = pytest.mark.django_db(transaction=True)
WHO = uuid.uuid4()


class Thumbnails:
    """A store of the site's, as a site would write one."""

    def __init__(self):
        self.held = {WHO, uuid.uuid4()}
        self.works = True
        self.asked = 0

    def erase(self, scope: Scope) -> None:
        self.asked += 1
        if not self.works:
            raise OSError("disk is away")
        self.held.discard(scope.subject_ref)

    def find(self, scope: Scope):
        return [one for one in self.held if one == scope.subject_ref]


@pytest.fixture
def thumbnails():
    store = Thumbnails()
    stores.register("thumbnails", erase=store.erase, find=store.find)
    yield store
    stores.unregister("thumbnails")


def decided(**scope):
    return decide(Scope(subject_ref=WHO, **scope), cause=EraseCause.CANCELLED, now=timezone.now())


@pytest.mark.clause("HILI-4.2")
def test_a_store_erases_and_leaves_one_receipt(thumbnails):
    assert decided(user_key="7") == 1
    assert sweep().elsewhere == 1
    assert len(thumbnails.held) == 1
    assert not Erasure.objects.exists()
    facts = [receipt.facts for receipt in Receipt.objects.filter(kind="store_erased")]
    assert facts == ['{"cause":"cancelled","store":"thumbnails"}']


def test_a_store_that_fails_is_asked_again_later_and_later(thumbnails):
    thumbnails.works = False
    decided()
    now = timezone.now()
    assert erase_elsewhere(now) == (0, 1)
    assert erase_elsewhere(now + dt.timedelta(seconds=59)) == (0, 0)
    assert erase_elsewhere(now + dt.timedelta(seconds=61)) == (0, 1)
    assert Erasure.objects.get().tries == 2
    thumbnails.works = True
    assert erase_elsewhere(now + dt.timedelta(hours=1)) == (1, 0)
    assert Receipt.objects.filter(kind="store_erased").count() == 1


def test_a_store_that_says_done_and_still_holds_something_is_not_believed(thumbnails):
    thumbnails.erase = lambda scope: None
    stores.register("thumbnails", erase=thumbnails.erase, find=thumbnails.find)
    decided()
    assert erase_elsewhere(timezone.now()) == (0, 1)
    assert not Receipt.objects.exists()


def test_a_store_that_is_no_longer_registered_keeps_its_row(thumbnails):
    decided()
    stores.unregister("thumbnails")
    assert erase_elsewhere(timezone.now()) == (0, 1)
    assert Erasure.objects.exists()


@pytest.mark.clause("HILI-4.2", "AIART-5.3", "MIAO-8.4")
def test_an_account_that_is_cancelled_reaches_every_store(thumbnails, anna, photo):
    from django_hili.privacy.rights.exercise import cancel_account

    job = people.enhance(photo, operations=["sr"], scale=2, subject=anna)
    thumbnails.held = {job.subject_ref}
    cancel_account(subject_ref=job.subject_ref)
    assert Erasure.objects.filter(job_ref=job.pk).exists()
    sweep()
    assert thumbnails.held == set()
    assert not Erasure.objects.exists()


@pytest.mark.clause("HILI-4.2")
@pytest.mark.parametrize(("kind", "told"), [("source", 0), ("result", 1)])
def test_a_result_that_expires_reaches_every_store_and_a_source_none(
    thumbnails, anna, photo, kind, told
):
    job = people.enhance(photo, operations=["sr"], scale=2, subject=anna)
    rows = Media.objects.filter(job=job)
    rows.update(kind=kind)
    condemn(rows, EraseCause.EXPIRED, timezone.now())
    erase_condemned()
    assert Erasure.objects.filter(job_ref=job.pk).count() == told


def test_without_stores_nothing_is_written():
    assert decided() == 0
    assert not Erasure.objects.exists()


@pytest.mark.clause("HILI-6", "AIART-5.3", "PIXEL-6.4", "MIAO-8.4")
def test_what_waits_for_a_store_that_is_gone_is_counted_and_given_up_with_a_receipt(thumbnails):
    decided(user_key="7")
    decided(user_key="8")

    def found():
        return {one.invariant.id: one.count for one in audit().findings}.get("C22", 0)

    def command(*words):
        call_command("hili_privacy", "give-up", *words, stdout=(out := StringIO()))
        return out.getvalue()

    with pytest.raises(CommandError):
        command("thumbnails", "--yes")
    with pytest.raises(ValueError, match="registered"):
        stores.give_up("thumbnails")
    assert found() == 0
    assert "No erasure waits" in command()
    stores.unregister("thumbnails")
    assert found() == 2
    assert "thumbnails, which is not registered, still has 2" in command()
    assert "2" in command("thumbnails")
    assert Erasure.objects.count() == 2, "nothing happens without --yes"
    erasures = {str(pk) for pk in Erasure.objects.values_list("pk", flat=True)}
    assert "0 erasures given up" in command("another", "--yes")
    assert "2 erasures given up" in command("thumbnails", "--yes")
    assert not Erasure.objects.exists()
    receipts = Receipt.objects.filter(kind="store_given_up")
    assert {receipt.object_id for receipt in receipts} == erasures
    assert {receipt.facts for receipt in receipts} == {'{"cause":"cancelled","store":"thumbnails"}'}
    assert found() == 0
