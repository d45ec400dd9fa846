"""Owns connected regions of a mask; knows bool arrays, no pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from django_hili.engine.pixels import Mask

Integers = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Regions:
    """Horizontal runs of set pixels, each with the number of the region it belongs to
    (8-connected).
    """

    row: Integers
    start: Integers
    stop: Integers
    region: Integers
    count: int

    def sums(self) -> Integers:
        """Pixels per region."""
        return np.bincount(self.region, self.stop - self.start, self.count).astype(np.intp)

    def peaks(self, values: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The largest of `values` (H x W, uint8) within each region."""
        width = values.shape[1]
        flat, ends = (
            values.reshape(-1),
            np.stack([self.row * width + self.start, self.row * width + self.stop], 1),
        )
        largest = np.zeros(self.count, np.uint8)
        if self.count:
            padded = np.append(flat, np.uint8(0))
            np.maximum.at(largest, self.region, np.maximum.reduceat(padded, ends.reshape(-1))[::2])
        return largest

    def diagonals(self) -> NDArray[np.float64]:
        """Length of the diagonal of each region's box."""
        box = np.empty((4, self.count))
        box[:2], box[2:] = np.inf, -np.inf
        np.minimum.at(box[0], self.region, self.row)
        np.minimum.at(box[1], self.region, self.start)
        np.maximum.at(box[2], self.region, self.row + 1)
        np.maximum.at(box[3], self.region, self.stop)
        lengths: NDArray[np.float64] = np.hypot(box[2] - box[0], box[3] - box[1])
        return lengths

    def places(self, wanted: Mask, most: int) -> tuple[Integers, Integers, Integers]:
        """Row, column and region of the pixels of the wanted regions; of more than `most` only
        every second, third and so on.
        """
        kept = np.flatnonzero(wanted[self.region])
        lengths = (self.stop - self.start)[kept]
        ends = np.cumsum(lengths)
        total = int(ends[-1]) if kept.size else 0
        chosen = np.arange(0, total, max(1, -(-total // most)))
        run = np.searchsorted(ends, chosen, "right")
        column = self.start[kept][run] + chosen - (ends - lengths)[run]
        return self.row[kept][run], column, self.region[kept][run]

    def mask(self, keep: Mask, shape: tuple[int, int]) -> Mask:
        """Draw the regions for which `keep` is set."""
        edges = np.zeros((shape[0], shape[1] + 1), np.int8)
        kept = keep[self.region]
        np.add.at(edges, (self.row[kept], self.start[kept]), 1)
        np.add.at(edges, (self.row[kept], self.stop[kept]), -1)
        return np.cumsum(edges, 1, dtype=np.int8)[:, :-1] > 0


def regions(mask: Mask) -> Regions:
    """Find the connected regions: runs per row, joined where they touch the row below, corners
    included.
    """
    height, width = mask.shape
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    row, start = np.nonzero(edges == 1)
    stop = np.nonzero(edges == -1)[1]
    count = len(row)
    first = np.searchsorted(row, np.arange(height + 1))
    # Runs of one row are sorted, so those touching a run above lie between two binary searches. A
    # row number in the key makes one search serve all rows.
    pitch = width + 2
    low = np.searchsorted((row * pitch + stop), (row + 1) * pitch + start, "left")
    high = np.searchsorted((row * pitch + start), (row + 1) * pitch + stop, "right")
    low, high = (
        np.maximum(low, first[np.minimum(row + 1, height)]),
        np.minimum(high, first[np.minimum(row + 2, height)]),
    )
    spans = np.maximum(high - low, 0)
    upper = np.repeat(np.arange(count), spans)
    offset = np.arange(spans.sum()) - np.repeat(np.cumsum(spans) - spans, spans)
    label = _joined(count, upper, np.repeat(low, spans) + offset)
    names, region = np.unique(label, return_inverse=True)
    return Regions(row, start, stop, region, len(names))


def _joined(count: int, one: Integers, other: Integers) -> Integers:
    """Give every run the smallest number in its region: hand smaller numbers on, then jump along,
    until still.
    """
    label = np.arange(count)
    while True:
        smaller = np.minimum(label[one], label[other])
        before = label.copy()
        for side in (one, other):
            np.minimum.at(label, label[side], smaller)
            np.minimum.at(label, side, smaller)
        while not np.array_equal(label, jumped := label[label]):
            label = jumped
        if np.array_equal(label, before):
            return label
