"""Owns the division of a picture into tiles and their running on two threads; knows no net and no
operation.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import NamedTuple

from django_hili.engine.blas import single_threaded
from django_hili.engine.memory import give_back

WORKERS = 2
SIDE = 192
"""Of one tile, in input pixels: two tiles' features stay within some tens of megabytes, and what
overlaps between tiles is a tenth of the work.
"""


class Tile(NamedTuple):
    top: int
    bottom: int
    left: int
    right: int


def tiles(height: int, width: int, side: int = SIDE) -> Iterator[Tile]:
    """Cover height x width with tiles of about equal size, none larger than `side`, row by row."""
    rows, columns = -(-height // side), -(-width // side)
    for r in range(rows):
        for c in range(columns):
            yield Tile(
                r * height // rows,
                (r + 1) * height // rows,
                c * width // columns,
                (c + 1) * width // columns,
            )


def even_tiles(height: int, width: int, side: int = SIDE) -> Iterator[Tile]:
    """Like `tiles`, with every corner on an even pixel; the last row or column may be one pixel
    over the edge.
    """
    for tile in tiles(-(-height // 2), -(-width // 2), side // 2):
        yield Tile(*(2 * edge for edge in tile))


def run(
    work: Callable[[Tile], None],
    parts: Iterator[Tile],
    progress: Callable[[float], None] | None = None,
) -> None:
    """Call `work` for every tile, two at a time where processors allow; report progress from the
    calling thread.

    `work` writes into its own part of a shared array, so the order does not change the result.
    """
    todo = list(parts)
    with single_threaded() as alone:
        count = min(
            WORKERS, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else WORKERS
        )
        with ThreadPoolExecutor(count if alone else 1, thread_name_prefix="hili-engine") as pool:
            futures = [pool.submit(work, tile) for tile in todo]
            try:
                for done, future in enumerate(as_completed(futures), 1):
                    future.result()
                    if progress is not None:
                        progress(done / len(todo))
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
    give_back()
