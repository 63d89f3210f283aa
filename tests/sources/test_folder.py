"""Folders of images by class."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from netwright.data import readers


@pytest.fixture
def folder(tmp_path):
    """Make a folder that holds these files: pictures for image names, texts for others."""

    def make(*names: str) -> Path:
        for shade, name in enumerate(names):
            path = tmp_path / "pets" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix.lower() in (".png", ".jpg"):
                Image.new("L", (2, 2), shade).save(path)
            else:
                path.write_text(name)
        return tmp_path / "pets"

    return make


def test_the_sub_folder_is_the_label_and_paths_open(folder, said):
    table = readers.read(folder("dogs/1.JPG", "cats/2.png", "cats/1.png"))
    assert table.columns == ["image", "label"]
    assert table.frame["label"].to_list() == ["cats", "cats", "dogs"]
    assert table.ids() == ["cats/1.png", "cats/2.png", "dogs/1.JPG"]
    for path in table.frame["image"]:
        with Image.open(path) as image:
            assert image.size == (2, 2)
    assert (table.splits, table.name, said) == (None, "pets", [])


def test_a_relative_folder_gives_relative_paths_that_open(folder, monkeypatch):
    monkeypatch.chdir(folder("cats/1.png").parent)
    assert readers.read("pets").frame["image"].to_list() == ["pets/cats/1.png"]


def test_deeper_folders_belong_to_their_class(folder):
    assert readers.read(folder("cats/2024/may/1.png", "dogs/1.png")).frame["label"].to_list() == ["cats", "dogs"]


@pytest.mark.parametrize("name", ["validation", "valid", "val", "Val"])
def test_split_folders_above_the_classes_give_splits(folder, name):
    table = readers.read(folder("train/cats/1.png", "train/dogs/1.png", f"{name}/cats/1.png", "test/dogs/1.png"))
    found = dict(zip(table.ids(), table.splits, strict=True))
    assert found == {
        "train/cats/1.png": "train",
        "train/dogs/1.png": "train",
        f"{name}/cats/1.png": "validation",
        "test/dogs/1.png": "test",
    }
    assert set(table.frame["label"]) == {"cats", "dogs"}


def test_one_split_folder_alone_divides_nothing(folder):
    table = readers.read(folder("train/cats/1.png", "train/dogs/1.png"))
    assert (table.splits, table.frame["label"].to_list()) == (None, ["cats", "dogs"])


def test_a_class_may_be_called_train(folder):
    assert readers.read(folder("train/1.png", "car/1.png")).frame["label"].to_list() == ["car", "train"]


def test_files_that_are_no_images_are_said_save_hidden_ones(folder, said):
    assert len(readers.read(folder("cats/1.png", "cats/notes.txt", "labels.csv", ".DS_Store", ".git/x.png"))) == 1
    assert len(said) == 1
    assert said[0].text.endswith("2 files that are not images are skipped (cats/notes.txt, labels.csv)")


def test_images_outside_the_class_folders_are_left_out_and_said(folder, said):
    assert len(readers.read(folder("cats/1.png", "cover.png"))) == 1
    assert said[0].text.endswith("1 images outside the class folders are left out (cover.png)")


def test_a_link_that_leads_back_up_is_entered_once(folder):
    path = folder("cats/1.png", "dogs/1.png")
    (path / "cats" / "loop").symlink_to(path, target_is_directory=True)
    assert readers.read(path).ids() == ["cats/1.png", "dogs/1.png"]


def test_the_fingerprint_is_of_names_and_bytes(folder):
    path = folder("cats/1.png", "dogs/1.png")
    before = readers.read(path).fingerprint
    assert readers.read(path).fingerprint == before
    (path / "cats/1.png").rename(path / "cats/2.png")
    renamed = readers.read(path).fingerprint
    Image.new("L", (2, 2), 99).save(path / "cats/2.png")
    assert len({before, renamed, readers.read(path).fingerprint}) == 3


def test_images_directly_in_the_folder_have_no_label_which_is_said(folder, said):
    path = folder("1.png", "2.png")
    table = readers.read(path)
    assert (table.columns, table.ids()) == (["image"], ["1.png", "2.png"])
    assert said[0].text == (
        f"{path}: its images are not in class folders and have no label; training needs a sub-folder per class, such as cats/1.png (1.png, 2.png)"
    )


def test_a_single_image_is_a_row(folder):
    table = readers.read(folder("cats/1.png", "cats/2.PNG") / "cats" / "1.png")
    assert (table.columns, table.ids(), table.name) == (["image"], ["1.png"], "cats")
    Image.open(table.frame["image"][0]).verify()


def test_splits_beside_classes_are_refused(folder, refused):
    text = refused(readers.read, folder("train/cats/1.png", "test/cats/1.png", "birds/1.png"))
    assert "holds folders of splits (test, train) beside others with images (birds)" in text
