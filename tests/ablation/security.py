"""Security switched off: C24 to C28."""

from __future__ import annotations

import logging
from typing import Any

from tests.ablation.switching import gives, put, replace, switch

ACCESS = "django_hili.privacy.rights.access"


class Glass:
    """Encrypts nothing and checks nothing, in as many bytes as the real one."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @staticmethod
    def generate_key(bits: int) -> bytes:
        """Return a key that locks nothing."""
        return bytes(bits // 8)

    def encrypt(self, nonce: bytes, data: Any, bound: bytes) -> bytes:
        """Return the data, and room for a tag."""
        return bytes(data) + bytes(16)

    def decrypt(self, nonce: bytes, data: Any, bound: bytes) -> bytes:
        """Return whatever is there."""
        return bytes(data)[:-16]


@switch("C24", "plain http to a processor is no problem, and the site asks for no TLS")
def _in_transit() -> None:
    replace("django_hili.providers.hili_setup:Reader._http_allowed", gives(True))
    replace("django_hili.providers.hili_setup:cautions_of", gives(()))


@switch("C25", "nothing is encrypted or authenticated, and keys lie beside what they open")
def _at_rest() -> None:
    put("django_hili.media.sealing:AESGCM", Glass)
    put("django_hili.media.keys:AESGCM", Glass)
    replace("django_hili.media.places:misplaced", gives([]))
    replace("django_hili.checks:check_keys", gives([]))


@switch("C26", "any member of staff may do anything, no look leaves a trace, lists name people")
def _least_privilege() -> None:
    def of_whom(original: Any, self: Any, job: Any) -> str:
        return f"{original(self, job)} {job.subject_ref}"

    replace("django.contrib.auth.models:PermissionsMixin.has_perm", gives(True))
    replace(f"{ACCESS}:note_staff_read", gives())
    replace(f"{ACCESS}:who_may_see", gives(()))
    replace(f"{ACCESS}:is_review_due", gives(False))
    replace("django_hili.admin.jobs:PhotoJobAdmin.short_id", of_whom)


@switch("C27", "secrets, tokens and addresses are shown and logged")
def _secrets() -> None:
    from django_hili.providers.hili_setup import Setup

    log = logging.getLogger("django_hili")

    def shown(self: Any) -> str:
        return f"{self.third_code()} {self.secret_key()} {self.base_url}"

    def logged(original: Any, self: Any) -> Any:
        made = original(self)
        log.info("sent with %s", made)
        return made

    Setup.__repr__ = shown  # type: ignore[method-assign]
    replace("django_hili.providers.hili_account:HiliAccount._token", logged)
    replace("django_hili.providers.hili_account:HiliAccount._third_code", logged)
    replace("django_hili.providers.http:_silence", gives(True))


@switch("C28", "no receipt is bound to the one before, and none is checked")
def _evidence() -> None:
    def unchecked(original: Any, lines: Any, anchors: Any = ()) -> tuple[None, int]:
        return None, sum(1 for _ in lines)

    replace("django_hili.privacy.evidence.verify_receipts:verify", unchecked)
