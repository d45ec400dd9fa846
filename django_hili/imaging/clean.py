"""Makes a file that holds the photo and nothing else, losing as little as possible.

Owns the choice between copying a container and rebuilding from pixels. A plain JPEG or PNG
is copied part by part: the pixels stay what they were, bit for bit. Whatever carries a
turn, a colour profile, more depth or another format is rebuilt, in a process apart. In this
process no pixel is decoded and no format but JPEG and PNG is even opened.
Clauses C08: HILI-0.3, HILI-1.3.2, AIART-1.2.2, PIXEL-1.1.2.2, PIXEL-1.1.2.5, MIAO-2.1a.
"""

from __future__ import annotations

from django_hili.imaging.apart import rebuild_apart
from django_hili.imaging.containers import clean_jpeg, clean_png
from django_hili.imaging.encode import mark_of
from django_hili.imaging.inspect import CONTENT_TYPES, Header, inspect
from django_hili.imaging.profiles import is_srgb
from django_hili.imaging.rebuild import CleanPhoto

__all__ = ["CleanPhoto", "clean", "copied"]

_FOREIGN = (b"GIF8", b"BM", b"RIFF", b"II*\0", b"MM\0*", b"II\0*", b"MM*\0", b"II+\0", b"MM\0+")
"""How the formats begin that only the process apart opens."""


def clean(content: bytes, *, max_megapixels: int) -> CleanPhoto:
    """Return `content` as a photo and nothing else. Raises `InvalidPhotoError`."""
    if content.startswith(_FOREIGN):
        return rebuild_apart(content, max_megapixels=max_megapixels)
    photo = copied(content, max_megapixels=max_megapixels)
    return photo or rebuild_apart(content, max_megapixels=max_megapixels)


def copied(content: bytes, *, max_megapixels: int) -> CleanPhoto | None:
    """Return `content` with its pixels as they are coded, or None where it has to be rebuilt.

    Raises `InvalidPhotoError`.
    """
    header = inspect(content, max_megapixels=max_megapixels)
    if not _can_be_copied(header):
        return None
    made = clean_jpeg(content) if header.format == "JPEG" else clean_png(content)
    size = header.width, header.height
    return CleanPhoto(made, CONTENT_TYPES[header.format], *size, mark=mark_of(content))


def _can_be_copied(header: Header) -> bool:
    if header.orientation != 1 or header.bits != 8:
        return False
    if header.icc_profile and not is_srgb(header.icc_profile):
        return False
    if header.format == "JPEG":
        return header.mode in {"RGB", "L"}
    return header.format == "PNG"
