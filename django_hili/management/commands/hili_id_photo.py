"""The operator's way to an ID photo, and a sheet of it to print, from a shell."""

from __future__ import annotations

import io
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, Literal

from django.core.management.base import BaseCommand, CommandError
from PIL import Image

from django_hili.codes import sentence
from django_hili.conf import get_settings
from django_hili.exceptions import HiliError, InvalidOptionsError
from django_hili.imaging.apart import rebuild_apart
from django_hili.imaging.documents import DOCUMENTS, Document, find_document
from django_hili.imaging.id_photo import FaceBox, IdPhoto, make_id_photo
from django_hili.imaging.print_sheet import PAPERS, encode_sheet, find_paper, lay_out
from django_hili.management.files import check_sheet, one_result, write
from django_hili.media import intake
from django_hili.vocabulary import Background


class Command(BaseCommand):
    """Cuts one photo for a document. It stores nothing on the site."""

    help = (
        "Make an ID photo of exactly a document's size, and a sheet to print. To replace the "
        "background first, run hili_enhance with --operations bg --background transparent."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the photo, the document and where things go."""
        parser.add_argument("photo", type=Path, help="a JPEG, PNG, WebP or TIFF file")
        parser.add_argument("--document", required=True, help=f"one of {', '.join(DOCUMENTS)}")
        parser.add_argument("--out", type=Path, required=True, help="a .jpg or .png file")
        parser.add_argument(
            "--face", metavar="L,T,R,B", help="where the head is, crown to chin, in pixels"
        )
        parser.add_argument("--background", help="#rrggbb or R,G,B, where the photo does not reach")
        parser.add_argument("--max-kb", type=int, help="the largest file, in units of 1000 bytes")
        parser.add_argument("--sheet", type=Path, help="also a .pdf or .png sheet to print")
        parser.add_argument("--paper", default="10x15", help=f"one of {', '.join(PAPERS)}")
        parser.add_argument("--overwrite", action="store_true", help="replace files of before")

    def handle(self, *args: Any, **options: Any) -> None:
        """Cut, lay out, write."""
        out, sheet = options["out"], options["sheet"]
        task = one_result(options["photo"], out)
        if problem := task.problem(may_overwrite=options["overwrite"]):
            raise CommandError(problem)
        check_sheet(sheet, ".pdf", ".png", may_overwrite=options["overwrite"])
        try:
            document = find_document(options["document"])
            made = _make(document, options)
            drawn = _draw(made, document, sheet, options["paper"]) if sheet else None
        except InvalidOptionsError as error:
            lines = [f"{p.field}: {p.sentence} [{p.code.value}]" for p in error.problems]
            raise CommandError("\n".join(lines)) from None
        except HiliError as error:
            raise CommandError(str(error)) from None
        write(out, made.content)
        for code in made.warnings:
            self.stdout.write(self.style.WARNING(sentence(code)))
        width, height = document.size
        size = f"{width}×{height} at {document.dpi} dpi, {len(made.content) / 1000:.0f} kB"
        self.stdout.write(self.style.SUCCESS(f"{out}: {size}"))
        if drawn is not None:
            write(sheet, drawn)
            self.stdout.write(self.style.SUCCESS(f"{sheet}: {options['paper']}"))


def _make(document: Document, options: dict[str, Any]) -> IdPhoto:
    taken = intake.take_in(options["photo"])
    # What came from outside is decoded apart; what is opened here was written by us.
    limit = get_settings().limits.max_megapixels
    rebuilt = rebuild_apart(taken.content, max_megapixels=limit)
    face = FaceBox.parse(options["face"]) if options["face"] else None
    background = Background.parse(options["background"]).rgb if options["background"] else None
    is_png = options["out"].suffix.lower() == ".png"
    with Image.open(io.BytesIO(rebuilt.content), formats=("JPEG", "PNG")) as photo:
        photo.load()
        return make_id_photo(
            photo,
            document=document,
            face=face,
            background=background,
            max_kb=options["max_kb"],
            file_format="png" if is_png else "jpeg",
            mark=rebuilt.mark,
        )


def _draw(made: IdPhoto, document: Document, sheet: Path, paper: str) -> bytes:
    kind: Literal["png", "pdf"] = "pdf" if sheet.suffix.lower() == ".pdf" else "png"
    laid_out = lay_out(made.pixels, document=document, paper=find_paper(paper))
    return encode_sheet(laid_out, dpi=document.dpi, file_format=kind, mark=made.mark)
