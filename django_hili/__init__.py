"""django-hili: photos enhanced on a Django site, kept and deleted as a privacy policy says.

Owns nothing but the public name `enhance`, which is loaded at first use: importing this
package in a site costs no image library, no HTTP client and no models.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django_hili.jobs.submit import enhance

__version__ = "0.1.0"
__all__ = ["__version__", "enhance"]


def __getattr__(name: str) -> Any:
    if name == "enhance":
        return importlib.import_module("django_hili.jobs.submit").enhance
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
