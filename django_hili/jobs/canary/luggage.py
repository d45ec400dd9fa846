"""What nobody brings: a photo like no other, with a word in everything that a photo can carry.

Owns the words, and the upload by the site's own handler. Knows no place where they may lie.
"""

from __future__ import annotations

import io
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Final

from django.conf import settings
from django.http.multipartparser import MultiPartParser
from PIL import ExifTags, Image

from django_hili.conf import get_settings
from django_hili.media.uploads import SealedUploadHandler
from django_hili.privacy.audit.residue.look import new_word
from django_hili.privacy.audit.synthetic import Nobody

_SIDE: Final = 320
_SLICE: Final = 32
"""Bytes of a photo that stand nowhere else."""


@dataclass(slots=True)
class Words:
    """What the person brings, and what is written down about them meanwhile."""

    file_name: bytes = field(default_factory=new_word)
    camera: bytes = field(default_factory=new_word)
    comment: bytes = field(default_factory=new_word)
    xmp: bytes = field(default_factory=new_word)
    trailer: bytes = field(default_factory=new_word)
    request: bytes = field(default_factory=new_word)
    """What they write; it lies sealed."""
    reason: bytes = field(default_factory=new_word)
    """A word of the site's that its rows hold until they go."""
    person: Nobody = field(default_factory=Nobody)
    pixels: list[bytes] = field(default_factory=list)

    @property
    def never(self) -> Collection[bytes]:
        """What must not lie open anywhere at any time."""
        return [
            self.file_name, self.camera, self.comment, self.xmp, self.trailer, self.request,
            *self.pixels,
        ]  # fmt: skip

    @property
    def a_while(self) -> Collection[bytes]:
        """What stands in rows until they go."""
        return [self.reason, self.person.pk.encode()]


def uploaded(words: Words) -> Any:
    """Send a photo through the site's own upload handler, large enough to be spooled."""
    photo = _photo(words)
    words.pixels = slices(photo)
    enough = settings.FILE_UPLOAD_MAX_MEMORY_SIZE + 64 * 1024
    room = min(enough, get_settings().limits.max_bytes) - len(photo)
    content = photo + words.trailer * (1 + max(room - len(words.trailer), 0) // len(words.trailer))
    border = secrets.token_hex(16)
    head = (
        f'--{border}\r\nContent-Disposition: form-data; name="photo"; '
        f'filename="{words.file_name.decode()}.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    )
    body = head.encode() + content + f"\r\n--{border}--\r\n".encode()
    asked = {
        "CONTENT_TYPE": f"multipart/form-data; boundary={border}", "CONTENT_LENGTH": len(body)
    }  # fmt: skip
    handler = SealedUploadHandler(for_our_view=True)
    return MultiPartParser(asked, io.BytesIO(body), [handler]).parse()[1]["photo"]


def _photo(words: Words) -> bytes:
    """Return a picture like no other, with a word in every place that a JPEG has for one."""
    picture = Image.frombytes("RGB", (_SIDE, _SIDE), secrets.token_bytes(3 * _SIDE * _SIDE))
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = words.camera.decode()
    exif.get_ifd(ExifTags.IFD.GPSInfo)[27] = words.camera
    file = io.BytesIO()
    picture.save(
        file, "JPEG", quality=90, exif=exif, comment=words.comment,
        xmp=b"<x:xmpmeta>" + words.xmp + b"</x:xmpmeta>",
    )  # fmt: skip
    return file.getvalue()


def slices(photo: bytes) -> list[bytes]:
    """Return bytes out of the middle of a photo, which only the photo has."""
    return [photo[len(photo) * part // 4 :][:_SLICE] for part in (2, 3)]
