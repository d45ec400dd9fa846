"""The site for an ASGI server, with uploads that no disk sees open.

Owns how the body of a request is held until somebody reads it. Django's own handler takes the
whole body before any view, middleware or upload handler is asked, and writes what is over
`FILE_UPLOAD_MAX_MEMORY_SIZE` as it comes into a temporary file. Here that file is sealed, under a
key that is gone with the request. Knows nothing of what is in a body.
Clauses C20, C25: MIAO-2.1d, AIART-F2.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import IO, Any

import django
from asgiref.sync import sync_to_async
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler

from django_hili.media.spool import Spool

Receive = Callable[[], Awaitable[Mapping[str, Any]]]


def get_asgi_application() -> SealedASGIHandler:
    """Set Django up and return the site, in the place of Django's function of this name."""
    django.setup(set_prefix=False)
    return SealedASGIHandler()


class SealedASGIHandler(ASGIHandler):
    """Django's handler, but for where a large body lies."""

    async def read_body(self, receive: Receive) -> IO[bytes]:
        """Take the body in, to its last byte. Raises `RequestAborted` if the client goes."""
        spool = Spool()
        try:
            await _take_in(receive, spool)
            return spool.opened()
        except BaseException:
            spool.close()
            raise


async def _take_in(receive: Receive, spool: Spool) -> None:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RequestAborted
        piece = message.get("body", b"")
        if spool.is_on_disk:
            # A slow disk keeps no other request waiting.
            await sync_to_async(spool.add, thread_sensitive=False)(piece)
        else:
            spool.add(piece)
        more = message.get("more_body", False)
