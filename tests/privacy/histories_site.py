"""Settings of the histories: a site of its own in one folder, and a provider without a process."""

from __future__ import annotations

import hashlib
import io
import random

from PIL import Image

from django_hili.codes import Code
from django_hili.exceptions import ProviderError
from django_hili.providers.base import DirectProvider, EnhancedPhoto
from django_hili.vocabulary import Capabilities, Operation
from tests.settings import *  # noqa: F403 - the test site, but for what follows
from tests.settings import BASE_DIR, HILI

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": BASE_DIR / "histories.sqlite3",
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            # Processes are killed here; the power stays on.
            "init_command": "PRAGMA synchronous=OFF; PRAGMA secure_delete=ON;",
        },
    }
}
FILE_UPLOAD_TEMP_DIR = str(BASE_DIR / "temp")
HILI = {
    **HILI,
    # Under the name of the engine: what leaves no server is one recipient. A life says more.
    "PROVIDERS": {"local": {"BACKEND": "tests.privacy.histories_site.NearbyProvider"}},
    "DEFAULT_PROVIDER": "local",
}
LOGGING_CONFIG = None


class NearbyProvider(DirectProvider):
    """Makes a result that can be told from the photo, in this process and within a millisecond."""

    refuses = False
    """Whether the next photos fail."""

    @property
    def capabilities(self):
        """Repair, and nothing else."""
        return Capabilities(operations={Operation("repair"): None})

    async def enhance(self, photo, enhancement, report):
        """Answer with `made_of` the photo."""
        if self.refuses:
            raise ProviderError(Code.PHOTO_DAMAGED)
        return EnhancedPhoto(made_of(photo.content), "image/png", 12, 12)


def made_of(content: bytes) -> bytes:
    """Return the result of a photo: the same for the same."""
    return noise(random.Random(hashlib.sha256(content).digest()), "PNG", 12)


def noise(dice: random.Random, kind: str, side: int, **options: object) -> bytes:
    """Return a photo that no other is like, in any thirty of its bytes."""
    file = io.BytesIO()
    Image.frombytes("RGB", (side, side), dice.randbytes(3 * side * side)).save(
        file, kind, **options
    )
    return file.getvalue()
