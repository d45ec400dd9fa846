"""Broken photos without end, each made again from its number alone."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable

from PIL import Image

from tests import photos

LIES_16 = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF)
LIES_32 = (0, 1, 0xFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
_PNG = b"\x89PNG\r\n\x1a\n"


def _seeds() -> dict[str, bytes]:
    picture = photos.picture()
    clear = photos.picture(mode="RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(clear.size))
    pages = {"save_all": True, "append_images": [picture.rotate(90)]}
    small = {"width": 24, "height": 18}
    return {
        "jpeg": photos.jpeg(),
        "jpeg-personal": photos.seeded_jpeg(),
        "jpeg-turned": photos.seeded_jpeg(orientation=6),
        "jpeg-progressive": photos.jpeg(progressive=True, exif=photos.seeded_exif(3)),
        "jpeg-grey": photos.saved(photos.picture(mode="L"), "JPEG"),
        "jpeg-cmyk": photos.saved(
            photos.picture(mode="CMYK"), "JPEG", icc_profile=photos.swapped_profile()
        ),
        "jpeg-profile": photos.jpeg(icc_profile=photos.swapped_profile()),
        "jpeg-phone": photos.saved(picture, "MPO", save_all=True, append_images=[picture]),
        "png": photos.png(),
        "png-personal": photos.seeded_png(),
        "png-palette": photos.saved(picture.quantize(32), "PNG"),
        "png-alpha": photos.saved(clear, "PNG"),
        "png-deep": photos.sixteen_bit_rgb_png(),
        "png-deep-grey": photos.sixteen_bit_grey_png(),
        "png-turned": photos.png(exif=photos.seeded_exif(8)),
        "webp": photos.seeded_webp(),
        "webp-lossless": photos.saved(clear, "WEBP", lossless=True),
        "webp-animated": photos.saved(picture, "WEBP", **pages),
        "gif": photos.saved(picture, "GIF"),
        "gif-animated": photos.animated_gif(),
        "tiff": photos.saved(picture, "TIFF"),
        "tiff-lzw": photos.saved(clear, "TIFF", compression="tiff_lzw"),
        "tiff-deflate": photos.saved(picture, "TIFF", compression="tiff_adobe_deflate"),
        "tiff-jpeg": photos.saved(picture, "TIFF", compression="jpeg"),
        "tiff-fax": photos.saved(photos.picture(mode="1"), "TIFF", compression="group4"),
        "tiff-packbits": photos.saved(photos.picture(mode="L"), "TIFF", compression="packbits"),
        "tiff-pages": photos.saved(photos.picture(**small), "TIFF", **pages),
        "bmp": photos.saved(picture, "BMP"),
        "bmp-palette": photos.saved(picture.quantize(16), "BMP"),
        "bmp-bits": photos.saved(photos.picture(mode="1"), "BMP"),
    }


SEEDS = _seeds()
NAMES = tuple(SEEDS)


def case(number: int) -> tuple[str, bytes]:
    """Return the name and the bytes of case `number`. The first ones are the seeds themselves."""
    name = NAMES[number % len(NAMES)]
    content = SEEDS[name]
    if number < len(NAMES):
        return name, content
    chance = random.Random(number)
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 5))):
        content = chance.choice(MUTATIONS)(content, chance)
    return name, content


def _flip_bits(content: bytes, chance: random.Random) -> bytes:
    made = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 4, 16, 64))):
        if made:
            made[chance.randrange(len(made))] ^= 1 << chance.randrange(8)
    return bytes(made)


def _flip_early_bits(content: bytes, chance: random.Random) -> bytes:
    """Headers are where a decoder believes what it reads."""
    cut = min(len(content), 200)
    return _flip_bits(content[:cut], chance) + content[cut:]


def _cut(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content) + 1)]


def _drop(content: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(content) + 1)
    return content[:start] + content[start + chance.choice((1, 2, 4, 16, 200)) :]


def _repeat(content: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(content) + 1)
    part = content[start : start + chance.choice((1, 4, 16, 64, 500))]
    return content[:start] + part * chance.choice((2, 3, 50)) + content[start:]


def _noise(content: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(content) + 1)
    noise = chance.randbytes(chance.choice((1, 4, 32, 300)))
    return content[:start] + noise + content[start + chance.choice((0, len(noise))) :]


def _splice(content: bytes, chance: random.Random) -> bytes:
    other = SEEDS[chance.choice(NAMES)]
    return content[: chance.randrange(len(content) + 1)] + other[chance.randrange(len(other)) :]


def _lie(content: bytes, chance: random.Random) -> bytes:
    """Write a length or a dimension that is not true somewhere, mostly near the start."""
    order = chance.choice("<>")
    if chance.random() < 0.5:
        lie = struct.pack(order + "H", chance.choice(LIES_16))
    else:
        lie = struct.pack(order + "I", chance.choice(LIES_32))
    end = len(content) if chance.random() < 0.3 else min(len(content), 160)
    start = chance.randrange(end + 1)
    return content[:start] + lie + content[start + len(lie) :]


def _by_its_parts(content: bytes, chance: random.Random) -> bytes:
    """Break the parts of a container and keep its sums right, so that decoders look further."""
    if content.startswith(_PNG):
        return _png_parts(content, chance)
    if content.startswith(b"\xff\xd8"):
        return _jpeg_parts(content, chance)
    if content[:4] in {b"II*\0", b"MM\0*"}:
        return _tiff_entry(content, chance)
    if content.startswith(b"RIFF"):
        return _riff_parts(content, chance)
    return _lie(content, chance)


def _shuffled(parts: list[bytes], chance: random.Random) -> list[bytes]:
    if len(parts) < 2:
        return parts
    one, two = chance.randrange(len(parts)), chance.randrange(len(parts))
    verb = chance.randrange(3)
    if verb == 0:
        parts[one], parts[two] = parts[two], parts[one]
    elif verb == 1:
        parts.insert(two, parts[one])
    else:
        del parts[one]
    return parts


def _png_parts(content: bytes, chance: random.Random) -> bytes:
    chunks, position = [], len(_PNG)
    while position + 12 <= len(content):
        length = int.from_bytes(content[position : position + 4], "big")
        chunks.append(content[position + 4 : position + 8 + length])
        position += 12 + length
    if chunks and chance.random() < 0.7:
        index = 0 if chance.random() < 0.5 else chance.randrange(len(chunks))
        kind, data = chunks[index][:4], chunks[index][4:]
        broken = chance.choice((_lie, _flip_bits, _noise, _cut))(data, chance)
        if kind == b"IDAT" and chance.random() < 0.5:
            try:
                rows = zlib.decompress(data)
            except zlib.error:
                rows = data
            broken = zlib.compress(chance.choice((_flip_bits, _cut, _repeat))(rows, chance))
        chunks[index] = kind + broken
    else:
        chunks = _shuffled(chunks, chance)
    return _PNG + b"".join(
        struct.pack(">I", max(len(chunk) - 4, 0)) + chunk + struct.pack(">I", zlib.crc32(chunk))
        for chunk in chunks
    )


def _jpeg_parts(content: bytes, chance: random.Random) -> bytes:
    parts, position = [], 2
    while position + 4 <= len(content) and content[position] == 0xFF:
        if content[position + 1] == 0xDA:
            break
        end = position + 2 + int.from_bytes(content[position + 2 : position + 4], "big")
        parts.append(content[position:end])
        position = end
    scan = content[position:]
    if parts and chance.random() < 0.6:
        index = chance.randrange(len(parts))
        data = chance.choice((_lie, _flip_bits))(parts[index][4:], chance)
        length = min(len(data) + 2, 0xFFFF)
        parts[index] = parts[index][:2] + struct.pack(">H", length) + data
    else:
        parts = _shuffled(parts, chance)
    return content[:2] + b"".join(parts) + scan


def _tiff_entry(content: bytes, chance: random.Random) -> bytes:
    order = "<" if content[:2] == b"II" else ">"
    try:
        (start,) = struct.unpack_from(order + "I", content, 4)
        (count,) = struct.unpack_from(order + "H", content, start)
        entry = start + 2 + 12 * chance.randrange(max(count, 1))
        struct.unpack_from(order + "HHII", content, entry)
    except struct.error:
        return _lie(content, chance)
    made = bytearray(content)
    field = chance.randrange(4)
    if field == 0:
        struct.pack_into(order + "H", made, entry, chance.randrange(254, 340))
    elif field == 1:
        struct.pack_into(order + "H", made, entry + 2, chance.randrange(0, 20))
    elif field == 2:
        struct.pack_into(order + "I", made, entry + 4, chance.choice(LIES_32))
    else:
        value = chance.choice((*LIES_32, start, 4, 8, chance.randrange(100_000)))
        struct.pack_into(order + "I", made, entry + 8, value)
    return bytes(made)


def _riff_parts(content: bytes, chance: random.Random) -> bytes:
    parts, position = [], 12
    while position + 8 <= len(content):
        length = int.from_bytes(content[position + 4 : position + 8], "little")
        parts.append((content[position : position + 4], content[position + 8 :][:length]))
        position += 8 + length + length % 2
    made = _shuffled([kind + data for kind, data in parts], chance)
    if made:
        index = chance.randrange(len(made))
        broken = chance.choice((_lie, _flip_early_bits, _cut))(made[index][4:], chance)
        made[index] = made[index][:4] + broken
    body = b"".join(
        part[:4] + struct.pack("<I", len(part) - 4) + part[4:] + b"\0" * (len(part) % 2)
        for part in made
    )
    return b"RIFF" + struct.pack("<I", len(body) + 4) + content[8:12] + body


MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _flip_bits, _flip_early_bits, _cut, _drop, _repeat, _noise, _splice, _lie, _lie,
    _by_its_parts, _by_its_parts, _by_its_parts,
)  # fmt: skip


def can_be_shown(content: bytes) -> tuple[int, int]:
    """Decode a result fully and return its size; raises if it is no whole picture."""
    with Image.open(io.BytesIO(content)) as opened:
        opened.load()
        return opened.size
