"""Own the credits: how many are left and which are spent first; must not know what for."""

from __future__ import annotations

from django.db.models import F, Sum

from django_hili.sandbox.contract import NO_CREDITS, RefusalError
from django_hili.sandbox.models import CreditPackage


def left(*, partner_id: int, now: float) -> int:
    """Count the credits that have neither been spent nor lapsed."""
    total = CreditPackage.objects.filter(partner_id=partner_id, expires_at__gt=now).aggregate(
        total=Sum("left")
    )["total"]
    return int(total or 0)


def spend(count: int, *, partner_id: int, now: float) -> None:
    """Take credits from the packages that lapse first, all or none.

    Call it inside a transaction: a RefusalError (9101) undoes what was taken.
    """
    while count:
        package = (
            CreditPackage.objects.filter(partner_id=partner_id, expires_at__gt=now, left__gt=0)
            .order_by("expires_at", "id")
            .values_list("id", "left")
            .first()
        )
        if package is None:
            raise RefusalError(NO_CREDITS)
        package_id, available = package
        taken = min(count, available)
        changed = CreditPackage.objects.filter(pk=package_id, left__gte=taken).update(
            left=F("left") - taken
        )
        if changed:
            count -= taken
