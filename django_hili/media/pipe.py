"""Turns pieces that are pushed into pieces that a storage pulls, a few at a time.

A storage's `save` reads a file to its end in one call; a download arrives piece by piece. Between
the two stand a thread of its own and a queue of `ROOM` pieces, so memory stays the same however
large the photo is. The thread is not one of a pool: eight slow downloads would fill that.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

ROOM = 4
"""Pieces between the two sides."""

Store = Callable[[Iterator[bytes]], int]
"""Takes all pieces, returns how many bytes they were; runs in the pipe's thread."""


class CutShortError(Exception):
    """What the storage meets in place of the next piece when the other side gave up."""


class _Ended:
    """Stands behind the last piece."""


class _CutShort(_Ended):
    """Stands where no more pieces will come though the photo is not whole."""


class _Half:
    """What both kinds of pipe share: the thread, its queue, and what it raised."""

    def __init__(self, store: Store) -> None:
        self.size = 0
        """Bytes stored; known once the pipe is closed."""
        self._store = store
        self._pieces: queue.Queue[bytes | _Ended] = queue.Queue()
        self._error: BaseException | None = None
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name="hili-store", daemon=True)

    def _run(self) -> None:
        try:
            self.size = self._store(self._arriving())
        except CutShortError:
            pass
        except BaseException as error:  # noqa: BLE001 - raised again on the other side
            self._error = error
        finally:
            for _ in self._leftovers():
                pass
            self._thread_ended()

    def _arriving(self) -> Iterator[bytes]:
        for piece in self._taken():
            if isinstance(piece, _CutShort):
                raise CutShortError
            if isinstance(piece, bytes):
                yield piece

    def _leftovers(self) -> Iterator[bytes | _Ended]:
        """Take what a storage that failed did not read, so that nobody waits for room."""
        return self._taken()

    def _taken(self) -> Iterator[bytes | _Ended]:
        while not self._is_over:
            piece = self._pieces.get()
            self._is_over = isinstance(piece, _Ended)
            self._took_one()
            yield piece

    def _took_one(self) -> None:
        raise NotImplementedError

    def _thread_ended(self) -> None:
        raise NotImplementedError

    def _raise_if_failed(self) -> None:
        if self._error is not None:
            raise self._error


class Pipe(_Half):
    """For a producer in a thread: `with Pipe(store) as pipe: pipe.push(piece)`."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._room = threading.Semaphore(ROOM)

    def push(self, piece: bytes) -> None:
        """Hand over the next piece; waits for room. Raises what the storage raised."""
        self._raise_if_failed()
        self._room.acquire()
        self._pieces.put(piece)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._pieces.put(_Ended() if kind is None else _CutShort())
        self._thread.join()
        if kind is None:
            self._raise_if_failed()

    def _took_one(self) -> None:
        self._room.release()

    def _thread_ended(self) -> None:
        """Nobody waits but by joining the thread."""


class AsyncPipe(_Half):
    """For a producer in an event loop: `async with AsyncPipe(store) as pipe: await pipe.push(…)`.

    Leaving the block waits until the storage has everything; leaving it by an exception makes the
    storage give up.
    """

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._room = asyncio.Semaphore(ROOM)
        self._ended = asyncio.Event()

    async def push(self, piece: bytes) -> None:
        """Hand over the next piece; waits for room. Raises what the storage raised."""
        self._raise_if_failed()
        await self._room.acquire()
        self._pieces.put_nowait(piece)

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._pieces.put_nowait(_Ended() if kind is None else _CutShort())
        await self._ended.wait()
        if kind is None:
            self._raise_if_failed()

    def _took_one(self) -> None:
        self._tell(self._room.release)

    def _thread_ended(self) -> None:
        self._tell(self._ended.set)

    def _tell(self, callback: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
            self._loop.call_soon_threadsafe(callback)
