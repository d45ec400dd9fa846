"""From pixels to a file: format, resolution and the mark that software altered the photo.

Owns how results are written. Knows no storage and no job.

The mark is the IPTC property Iptc4xmpExt:DigitalSourceType in XMP (ISO 16684-1).
"""

from __future__ import annotations

import importlib
import io
from enum import StrEnum

from PIL import Image

_JPEG_QUALITY = 92
_PNG_LEVEL = 3
"""Above 3 a large cut-out takes several times longer for a few per cent."""


class SourceType(StrEnum):
    """What made the pixels, in the IPTC's own vocabulary."""

    ENHANCED = "algorithmicallyEnhanced"
    """Altered by fixed rules."""
    MODEL = "compositeWithTrainedAlgorithmicMedia"
    """A trained model made some of the pixels."""

    @property
    def xmp(self) -> bytes:
        """An XMP packet that says this and nothing else."""
        return _XMP.format(uri=f"{_NEWSCODES}{self.value}").encode()


_NEWSCODES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
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
) -> bytes:
    """Write RGB or L pixels as JPEG without chroma subsampling."""
    buffer = io.BytesIO()
    options: dict[str, object] = {"quality": quality, "subsampling": 0}
    if dpi:
        options["dpi"] = (dpi, dpi)
    if mark:
        options["xmp"] = mark.xmp
    pixels.save(buffer, "JPEG", **options)
    return buffer.getvalue()


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
