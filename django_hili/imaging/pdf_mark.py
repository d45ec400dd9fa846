"""Adds the mark of what made its pictures to a PDF.

Owns one incremental update: a metadata stream, and the catalogue anew with a reference to it. Made
for the plain files that Pillow writes. ISO 32000-1: 7.5.6 (updates), 14.3.2 (metadata streams).
"""

from __future__ import annotations

import re

from django_hili.imaging.encode import SourceType

_ROOT = re.compile(rb"/Root (\d+) 0 R")
_SIZE = re.compile(rb"/Size (\d+)")
_START = re.compile(rb"startxref\s+(\d+)")


def marked_pdf(content: bytes, *, mark: SourceType) -> bytes:
    """Return the PDF with an XMP packet for the whole document."""
    root, size, start = (int(pattern.findall(content)[-1]) for pattern in (_ROOT, _SIZE, _START))
    found = re.search(rb"(?<!\d)%d 0 obj\s*<<(.*?)>>\s*endobj" % root, content, re.DOTALL)
    if found is None:
        raise ValueError("no catalogue")
    catalogue = b"%d 0 obj\n<<%s/Metadata %d 0 R>>\nendobj\n" % (root, found[1], size)
    head = b"%d 0 obj\n<</Type /Metadata/Subtype /XML/Length %d>>\nstream\n" % (size, len(mark.xmp))
    packet = head + mark.xmp + b"\nendstream\nendobj\n"
    at = len(content) + 1
    entries = (
        b"%d 1\n%010d 00000 n \n" % (root, at),
        b"%d 1\n%010d 00000 n \n" % (size, at + len(catalogue)),
    )
    table = at + len(catalogue) + len(packet)
    trailer = b"trailer\n<</Size %d/Root %d 0 R/Prev %d>>\n" % (size + 1, root, start)
    end = b"startxref\n%d\n%%%%EOF\n" % table
    return b"".join((content, b"\n", catalogue, packet, b"xref\n", *entries, trailer, end))
