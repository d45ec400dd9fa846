"""Takes the site's uploads; knows bytes only, and leaves every judgement to the forms."""

from __future__ import annotations

from django_hili.media.uploads import SealedUploadHandler


class FormUploadHandler(SealedUploadHandler):
    """Cuts a file that is over the cap instead of raising, so that a form can answer in its page.

    django-hili's own handler raises while the body is being read. That suits its REST endpoints,
    which turn it into an answer; here Django would read the body, for the CSRF token, before any
    view runs. What is left is one byte over the cap, and `clean_file` refuses it.
    """

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Keep a piece as far as there is room."""
        room = self._limit + 1 - start
        if room > 0:
            self.keep(raw_data[:room])
