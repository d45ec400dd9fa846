"""Tells plain sRGB by the name inside a colour profile, without a colour library.

Owns just that. Whether a profile is sRGB decides whether a photo can be copied, and the
process that decides it must not hand hostile bytes to a decoder. ICC.1:2022, 7.2 and 10.15;
the older text type: ICC.1:2001-04, 6.5.17.
"""

from __future__ import annotations

_HEADER = 128
_MAX_TAGS = 200


def is_srgb(profile: bytes) -> bool:
    """Say whether a colour profile is one of the many that are all plain sRGB."""
    return _description(profile).lower().startswith("srgb")


def _description(profile: bytes) -> str:
    count = min(_number(profile, _HEADER), _MAX_TAGS)
    for index in range(count):
        entry = _HEADER + 4 + 12 * index
        if profile[entry : entry + 4] == b"desc":
            start, size = _number(profile, entry + 4), _number(profile, entry + 8)
            return _text(profile[start : start + size]).strip("\0 ")
    return ""


def _text(element: bytes) -> str:
    if element[:4] == b"desc":
        length = _number(element, 8)
        return element[12 : 12 + length].decode("ascii", "replace")
    if element[:4] == b"mluc" and _number(element, 8):
        # The first of the translations; each record is language, country, length, offset.
        length, offset = _number(element, 20), _number(element, 24)
        return element[offset : offset + length].decode("utf-16-be", "replace")
    return ""


def _number(data: bytes, position: int) -> int:
    return int.from_bytes(data[position : position + 4], "big")
