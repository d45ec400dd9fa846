"""From pixels to a file: format, resolution and the mark that software altered the photo.

Owns how results are written. Knows no storage and no job.

The mark is the IPTC property Iptc4xmpExt:DigitalSourceType in XMP (ISO 16684-1).
"""

from __future__ import annotations

import contextlib
import importlib
import io
from enum import StrEnum

from PIL import Image

_JPEG_QUALITY = 92
Tables = dict[int, list[int]]
"""How coarsely a JPEG rounds its waves: Pillow's `quantization`, by number of the table."""
_PNG_LEVEL = 3
"""Above 3 a large cut-out takes several times longer for a few per cent."""


class SourceType(StrEnum):
    """What made the pixels, in the IPTC's own vocabulary."""

    ENHANCED = "algorithmicallyEnhanced"
    """Altered by fixed rules."""
    MODEL = "compositeWithTrainedAlgorithmicMedia"
    """A trained model made some of the pixels."""
    GENERATED = "trainedAlgorithmicMedia"
    """A trained model made all of them. Nothing here does; a photo that comes in may say so."""

    @property
    def xmp(self) -> bytes:
        """An XMP packet that says this and nothing else."""
        return _XMP.format(uri=f"{_NEWSCODES}{self.value}").encode()


_STRONGEST_FIRST = (SourceType.GENERATED, SourceType.MODEL, SourceType.ENHANCED)
_NEWSCODES = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def mark_of(content: bytes) -> SourceType | None:
    """Return the mark that a file carries, so that whatever is made from it still says so."""
    return strongest(*(kind for kind in SourceType if f"{_NEWSCODES}{kind}".encode() in content))


def strongest(*marks: SourceType | None) -> SourceType | None:
    """Return the one of several marks that says most; None where there is none."""
    return next((kind for kind in _STRONGEST_FIRST if kind in marks), None)


_XMP = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
    'Iptc4xmpExt:DigitalSourceType="{uri}"/></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)


def encode_jpeg(
    pixels: Image.Image,
    *,
    dpi: int | None = None,
    mark: SourceType | None = None,
    quality: int = _JPEG_QUALITY,
    tables: Tables | None = None,
    subsampling: int = 0,
    optimize: bool = False,
) -> bytes:
    """Write RGB or L pixels as JPEG, with all colour where `subsampling` is 0, with a quarter of it
    where it is 2; `optimize` takes longer and makes the file smaller.

    `tables` are those of the JPEG that the pixels come from; where they are finer than ours, they
    are taken, so that writing takes no more away than was taken before.
    """
    buffer = io.BytesIO()
    options: dict[str, object] = {"quality": quality}
    if tables and _coarseness(tables) < _coarseness(_tables_of(quality)):
        options = {"qtables": tables}
    options["subsampling"] = subsampling
    if dpi:
        options["dpi"] = (dpi, dpi)
    if mark:
        options["xmp"] = mark.xmp
    if optimize:
        # Pillow has room for a byte or two a pixel there; what is mostly noise needs more.
        with contextlib.suppress(OSError):
            pixels.save(buffer, "JPEG", optimize=True, **options)
            return buffer.getvalue()
        buffer = io.BytesIO()
    pixels.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def _tables_of(quality: int) -> Tables:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG", quality=quality)
    with Image.open(buffer, formats=("JPEG",)) as opened:
        return dict(opened.quantization)  # type: ignore[attr-defined]  # a JPEG has it


def _coarseness(tables: Tables) -> float:
    """The mean step of the tables; a grey JPEG has one, the others mostly two."""
    return sum(sum(steps) / len(steps) for steps in tables.values()) / len(tables)


def encode_png(
    pixels: Image.Image,
    *,
    alpha: Image.Image | None = None,
    dpi: int | None = None,
    mark: SourceType | None = None,
) -> bytes:
    """Write RGB or L pixels, with alpha if given, as PNG."""
    image = pixels
    if alpha is not None:
        image = image.copy()
        image.putalpha(alpha)
    # Pillow's plug-ins are loaded when they are used, not when a site starts.
    info = importlib.import_module("PIL.PngImagePlugin").PngInfo()
    if mark:
        info.add_itxt("XML:com.adobe.xmp", mark.xmp.decode())
    options: dict[str, object] = {"compress_level": _PNG_LEVEL, "pnginfo": info}
    if dpi:
        options["dpi"] = (dpi, dpi)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()
