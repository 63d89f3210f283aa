"""Encoded columns as arrays: dense ones, those with their gaps beside them, ragged ones with offsets. n rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Ragged:
    """Rows of unlike length: row i is `values[offsets[i]:offsets[i + 1]]`.

    >>> Ragged.of([np.array([1, 2]), np.array([3])]).row(0).tolist()
    [1, 2]
    """

    values: np.ndarray
    offsets: np.ndarray  # (n + 1,) int64

    @classmethod
    def of(cls, rows: list[np.ndarray], dtype: type | np.dtype = np.int32) -> Ragged:
        """Join rows into one array."""
        lengths = np.fromiter((len(row) for row in rows), np.int64, len(rows))
        values = np.concatenate(rows).astype(dtype) if len(rows) else np.zeros(0, dtype)
        return cls(values, np.concatenate([[0], np.cumsum(lengths)]))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """(n,) how long each row is."""
        return np.diff(self.offsets)

    def row(self, index: int) -> np.ndarray:
        """Return one row."""
        return self.values[self.offsets[index] : self.offsets[index + 1]]

    def take(self, rows: np.ndarray) -> Ragged:
        """Return these rows, in their order."""
        lengths = self.lengths[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        where = np.arange(offsets[-1]) + np.repeat(self.offsets[rows] - offsets[:-1], lengths)
        return Ragged(self.values[where], offsets)

    def padded(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (n, longest) with zeros behind each row's end, and the lengths (n,)."""
        lengths = self.lengths
        out = np.zeros((len(self), max(int(lengths.max(initial=0)), 1)), self.values.dtype)
        out[np.arange(out.shape[1]) < lengths[:, None]] = self.values
        return out, lengths


@dataclass(frozen=True)
class Gapped:
    """An array of floats (n, ...) whose gaps stand beside it: where `missing` is true, `values` holds 0 and means NaN.

    A large array is kept so, since a network needs it so, and no copy of it is to be made in memory.

    >>> Gapped(np.array([1.0, 0.0]), np.array([False, True])).take(np.array([1, 0])).tolist()
    [nan, 1.0]
    """

    values: np.ndarray
    missing: np.ndarray

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: np.ndarray) -> np.ndarray:
        """Return these rows with NaN in their gaps."""
        values = self.values[rows]
        return np.where(self.missing[rows], values.dtype.type(np.nan), values)


Array = np.ndarray | Ragged | Gapped
Arrays = dict[str, Array]


def take(arrays: Arrays, rows: np.ndarray) -> Arrays:
    """Return these rows of every array."""
    return {name: array[rows] if isinstance(array, np.ndarray) else array.take(rows) for name, array in arrays.items()}
