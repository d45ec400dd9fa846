"""How two processes hand photos over by a pipe: a JSON head, then raw bytes.

Owns the framing only: two big-endian 32-bit lengths, the head, the content.
"""

from __future__ import annotations

import json
import struct
from typing import Any

_LENGTHS = struct.Struct(">II")


def pack(head: dict[str, Any], content: bytes = b"") -> bytes:
    """Return one frame."""
    return pack_head(head, len(content)) + content


def pack_head(head: dict[str, Any], content_size: int) -> bytes:
    """Return a frame up to its content, for content that follows by the piece."""
    text = json.dumps(head).encode()
    return _LENGTHS.pack(len(text), content_size) + text


def unpack_head(lengths: bytes) -> tuple[int, int]:
    """Return the sizes of head and content, in bytes, from a frame's first eight bytes."""
    head_size, content_size = _LENGTHS.unpack(lengths)
    return head_size, content_size
