"""Owns what is measured of whole files: a JPEG handed to the engine's process and what comes back;
knows how that process is asked, and no operation.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
from functools import cache

import numpy as np
from PIL import Image

from django_hili.imaging.frames import pack, unpack_head
from training.evaluate_photos import photo
from training.evaluate_tasks import psnr
from training.pictures import Bytes

MEMORY = 3 * 1024**3
REQUEST = {
    "scale": None, "image_type": "people", "background": None, "background_rgb": None, "dpi": 300,
    "format": None, "max_megapixels": 40, "wants_mask": False,
}  # fmt: skip


@cache
def _process() -> subprocess.Popen[bytes]:
    """The one that a site's worker starts; it ends when its input closes, with this one."""
    command = [sys.executable, "-m", "django_hili.providers.local_process", str(MEMORY)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def answered(content: bytes, operation: str) -> bytes:
    """The file that comes back for a file."""
    process = _process()
    assert process.stdin is not None
    assert process.stdout is not None
    request = {**REQUEST, "operations": [operation], "photo_size": len(content)}
    process.stdin.write(pack(request, content))
    process.stdin.flush()
    while True:
        head, size = unpack_head(process.stdout.read(8))
        answer = json.loads(process.stdout.read(head))
        if answer["kind"] != "progress":
            return process.stdout.read(size)


def opened(content: bytes) -> Bytes:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def from_file_to_file(name: str, quality: int) -> list[float]:
    """PSNR of what `repair` gives back for a clean photo's JPEG to what was in that JPEG."""
    file = io.BytesIO()
    Image.fromarray(photo(name)).save(file, "JPEG", quality=quality)
    content = file.getvalue()
    return [psnr(opened(answered(content, "repair")), opened(content))]
