"""A sandbox as the vendor, and the site configured to send its photos there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django_hili.sandbox.server import Sandbox, running_sandbox
from tests.settings import BOUND


@contextmanager
def vendor_for(
    settings: Any, *, charging: str = "upload", credit_count: int = 1000, **options: Any
) -> Iterator[Sandbox]:
    """Start a sandbox and make it the site's default provider; `options` go to the provider."""
    with running_sandbox(charging=charging, credit_count=credit_count) as sandbox:
        settings.HILI = {
            "PROVIDERS": {
                "hili": {
                    "BACKEND": "django_hili.providers.hili.HiliProvider",
                    "OPTIONS": {
                        "third_code": sandbox.third_code,
                        "secret_key": sandbox.secret_key,
                        "base_url": sandbox.base_url,
                        "charging": charging,
                        **options,
                    },
                    **BOUND,
                }
            },
            "DEFAULT_PROVIDER": "hili",
            "WORKER": settings.HILI["WORKER"],
        }
        yield sandbox


def charges(vendor: Sandbox) -> int:
    """What the vendor has really taken, by its own ledger."""
    return sum(entry["credits"] for entry in vendor.control.ledger())
