"""IDX, the form of MNIST."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import polars as pl
import pytest

from netwright.data import readers


def packed(values: np.ndarray) -> bytes:
    """The bytes of an IDX file."""
    return struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.astype(np.uint8).tobytes()


IMAGES = np.arange(3 * 4 * 5).reshape(3, 4, 5).astype(np.uint8)
LABELS = np.array([7, 0, 9])


@pytest.fixture
def folder(tmp_path):
    """A folder with MNIST's four files: three training images (gzip) and two test images."""
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(packed(IMAGES)))
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(packed(LABELS)))
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(packed(IMAGES[:2] + 1))
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(packed(LABELS[:2]))
    return tmp_path


def test_a_folder_gives_images_labels_and_splits(folder, said):
    table = readers.read(folder)
    assert table.frame.schema == {"image": pl.Array(pl.UInt8, (4, 5)), "label": pl.Int64}
    assert (table.frame["image"].to_numpy() == np.concatenate([IMAGES, IMAGES[:2] + 1])).all()
    assert table.frame["label"].to_list() == [7, 0, 9, 7, 0]
    assert table.splits.tolist() == ["train"] * 3 + ["test"] * 2
    assert table.id(2) == "train-images-idx3-ubyte.gz:3"
    assert table.id(3) == "t10k-images-idx3-ubyte:1"
    assert not said


def test_one_images_file_finds_its_labels_beside_it(folder):
    table = readers.read(folder / "t10k-images-idx3-ubyte")
    assert (len(table), table.splits) == (2, None)


def test_names_with_a_dot_and_labels_packed_otherwise_are_found(tmp_path):
    (tmp_path / "train-images.idx3-ubyte").write_bytes(packed(IMAGES))
    (tmp_path / "train-labels.idx1-ubyte.gz").write_bytes(gzip.compress(packed(LABELS)))
    assert len(readers.read(tmp_path)) == 3


def test_other_files_in_the_folder_are_said(folder, said):
    (folder / "README").touch()
    readers.read(folder)
    assert said[0].text.endswith("1 entries that are not IDX skipped (README)")


def test_the_fingerprint_changes_with_the_bytes(folder):
    before = readers.read(folder).fingerprint
    (folder / "t10k-labels-idx1-ubyte").write_bytes(packed(np.array([1, 1])))
    assert readers.read(folder).fingerprint != before


def test_a_truncated_file_is_refused(folder, refused):
    path = folder / "t10k-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-7])
    assert refused(readers.read, folder) == (
        "t10k-images-idx3-ubyte: is cut off: 2x4x5 values need 40 bytes, and 33 are there. Fix: download it again."
    )


def test_a_corrupt_gzip_is_refused(folder, refused):
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-9])
    assert refused(readers.read, folder).startswith("train-images-idx3-ubyte.gz: the gzip file is damaged")


def test_counts_that_differ_are_refused(folder, refused):
    (folder / "t10k-labels-idx1-ubyte").write_bytes(packed(LABELS))
    assert "t10k-images-idx3-ubyte holds 2 images and t10k-labels-idx1-ubyte holds 3 labels" in refused(
        readers.read, folder
    )


def test_files_of_another_form_are_refused(folder, refused):
    path = folder / "t10k-images-idx3-ubyte"
    for content, what in [
        (b"", "the file is empty"),
        (b"\x89PNG....", "is not an IDX file"),
        (b"\0\0\x0d\x03" + bytes(12), "holds values of type 0x0d"),
        (packed(LABELS), "has 1 dimensions"),
        (packed(IMAGES[:0]), "holds 0 images"),
        (packed(IMAGES[:2]) + b"x", "is longer than its header says"),
    ]:
        path.write_bytes(content)
        assert what in refused(readers.read, path)


def test_missing_labels_are_refused(folder, refused):
    (folder / "t10k-labels-idx1-ubyte").unlink()
    assert "there is no labels file beside it (t10k-labels-idx1-ubyte" in refused(readers.read, folder)


def test_labels_alone_are_refused(folder, refused):
    assert "holds labels alone" in refused(readers.read, folder / "t10k-labels-idx1-ubyte")
    (folder / "t10k-images-idx3-ubyte").unlink()
    assert "no images file belongs to t10k-labels-idx1-ubyte" in refused(readers.read, folder)


def test_several_sets_in_one_folder_are_refused(folder, refused):
    for form in ("images-idx3", "labels-idx1"):
        path = folder / f"letters-train-{form}-ubyte.gz"
        path.write_bytes((folder / f"train-{form}-ubyte.gz").read_bytes())
    assert "holds several images files that do not name one split each" in refused(readers.read, folder)


def test_sizes_that_differ_are_refused(folder, refused):
    (folder / "t10k-images-idx3-ubyte").write_bytes(packed(IMAGES[:2, :2]))
    assert "the files hold images of different sizes" in refused(readers.read, folder)
