"""django-hili: photos enhanced on a Django site, kept and deleted as a privacy policy says.

Owns nothing but the public verbs, which are loaded at first use: importing this package in a
site costs no image library, no HTTP client and no models.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django_hili.jobs.again import estimate_again, process_again
    from django_hili.jobs.balance import balance, refresh_balance
    from django_hili.jobs.batch import enhance_many
    from django_hili.jobs.cancel import cancel_job as cancel
    from django_hili.jobs.estimate import estimate
    from django_hili.jobs.hold import hold_job as hold
    from django_hili.jobs.hold import release_job as release
    from django_hili.jobs.pause import pause_provider as pause
    from django_hili.jobs.pause import resume_provider as resume
    from django_hili.jobs.report import monthly_report
    from django_hili.jobs.retry import retry_job as retry
    from django_hili.jobs.submit import enhance
    from django_hili.privacy.consent.consents import give_consent
    from django_hili.privacy.consent.policies import publish as publish_policy
    from django_hili.privacy.rights.withdrawal import withdraw_consent

__version__ = "0.1.0"
__all__ = [
    "__version__",
    "balance",
    "cancel",
    "enhance",
    "enhance_many",
    "estimate",
    "estimate_again",
    "give_consent",
    "hold",
    "monthly_report",
    "pause",
    "process_again",
    "publish_policy",
    "refresh_balance",
    "release",
    "resume",
    "retry",
    "withdraw_consent",
]

_VERBS = {
    "balance": ("jobs.balance", "balance"),
    "cancel": ("jobs.cancel", "cancel_job"),
    "enhance": ("jobs.submit", "enhance"),
    "enhance_many": ("jobs.batch", "enhance_many"),
    "estimate": ("jobs.estimate", "estimate"),
    "estimate_again": ("jobs.again", "estimate_again"),
    "give_consent": ("privacy.consent.consents", "give_consent"),
    "hold": ("jobs.hold", "hold_job"),
    "monthly_report": ("jobs.report", "monthly_report"),
    "pause": ("jobs.pause", "pause_provider"),
    "process_again": ("jobs.again", "process_again"),
    "publish_policy": ("privacy.consent.policies", "publish"),
    "refresh_balance": ("jobs.balance", "refresh_balance"),
    "release": ("jobs.hold", "release_job"),
    "resume": ("jobs.pause", "resume_provider"),
    "retry": ("jobs.retry", "retry_job"),
    "withdraw_consent": ("privacy.rights.withdrawal", "withdraw_consent"),
}
"""Each public verb, with the module that owns it and its name there."""


def __getattr__(name: str) -> Any:
    if name not in _VERBS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, verb = _VERBS[name]
    return getattr(importlib.import_module(f"django_hili.{module}"), verb)
