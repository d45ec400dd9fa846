"""The sweep looks after requests, links and messages too."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from django_hili.models import Case, CaseKind, CaseOutcome, Handover, Message, MessageKind
from django_hili.privacy.consent.subjects import subject_ref_for
from django_hili.privacy.erasure.sweep import sweep
from django_hili.privacy.rights import cases, handover, messages
from django_hili.signals import message_queued

pytestmark = pytest.mark.django_db(transaction=True)
DAY = dt.timedelta(days=1)


@pytest.mark.clause("AIART-1.2.5", "PIXEL-1.1.2.4", "MIAO-2.2b")
def test_the_sweep_lets_words_and_links_go(anna):
    ref = subject_ref_for(anna)
    case = cases.open_case(kind=CaseKind.COMPLAIN, subject_ref=ref, text="x", is_verified=True)
    cases.close(case_id=case.pk, outcome=CaseOutcome.GRANTED)
    handover.hand_over(subject_ref=ref)
    now = timezone.now()
    sweep(now + DAY - dt.timedelta(minutes=1))
    assert (Case.objects.count(), Handover.objects.count()) == (1, 1)
    sweep(now + DAY + dt.timedelta(minutes=1))
    assert (Case.objects.count(), Handover.objects.count()) == (1, 0)
    sweep(now + 91 * DAY)
    assert Case.objects.count() == 0


@pytest.mark.clause("AIART-1.2.5", "MIAO-2.2b")
def test_the_sweep_keeps_words_readable_over_many_leases(anna):
    case = cases.open_case(kind=CaseKind.COMPLAIN, subject_ref=subject_ref_for(anna), text="x")
    moment = timezone.now()
    for _ in range(20):
        moment += 5 * DAY
        sweep(moment)
    assert Case.objects.get(pk=case.pk).key_bucket > moment


@pytest.mark.clause("HILI-5f", "PIXEL-4.5")
def test_the_sweep_delivers_messages(anna):
    got = []

    def deliver(sender, user_key, **_):
        got.append(user_key)
        return True

    subject_ref_for(anna)
    now = timezone.now()
    messages.queue_messages([str(anna.pk)], kind=MessageKind.WIND_DOWN, now=now)
    message_queued.connect(deliver)
    try:
        sweep(now)
        sweep(now + DAY)
    finally:
        message_queued.disconnect(deliver)
    assert got == [str(anna.pk)]
    sweep(now + 31 * DAY)
    assert not Message.objects.exists()
