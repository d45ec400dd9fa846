"""What follows from handing a result to its person: under a strict profile it goes at once.

The stricter of today's settings and the version the person agreed to decides.
Clauses C16, C17: AIART-F1, AIART-F2, AIART-4.1a.
"""

from __future__ import annotations

from collections.abc import Callable

from django.utils import timezone

from django_hili.conf import get_settings
from django_hili.models import Basis, EraseCause, Media, PhotoJob, PolicyVersion
from django_hili.privacy.erasure.erase import condemn, erase_condemned


def when_delivered(job: PhotoJob) -> Callable[[Media], None] | None:
    """Return what to do once a result has been fetched whole, or None if it stays."""
    if job.basis == Basis.NO_PERSONAL_DATA:
        return None
    if not (get_settings().privacy.effective.result_on_delivery or _was_promised(job)):
        return None
    return _erase


def _was_promised(job: PhotoJob) -> bool:
    if job.policy_number is None:
        return False
    parameters = PolicyVersion.objects.filter(number=job.policy_number)
    found = parameters.values_list("parameters", flat=True).first() or {}
    return bool(found.get("result_on_delivery"))


def _erase(media: Media) -> None:
    rows = Media.objects.filter(pk=media.pk)
    condemn(rows, EraseCause.DELIVERED, timezone.now())
    erase_condemned(rows)
