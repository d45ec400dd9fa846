"""Own the credits: how many are left and which are spent first; must not know what for."""

from __future__ import annotations

from django_hili.sandbox import statements
from django_hili.sandbox.contract import NO_CREDITS, RefusalError


def left(*, partner_id: int, now: float) -> int:
    """Count the credits that have neither been spent nor lapsed."""
    return statements.unspent(partner_id, now)


def spend(count: int, *, partner_id: int, now: float) -> None:
    """Take credits from the packages that lapse first, all or none.

    Call it inside a transaction: a RefusalError (9101) undoes what was taken.
    """
    while count:
        package = statements.package_to_spend(partner_id, now)
        if package is None:
            raise RefusalError(NO_CREDITS)
        package_id, available = package
        taken = min(count, available)
        if statements.spend(package_id, taken):
            count -= taken
