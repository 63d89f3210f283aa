"""COCO's layout."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from netwright.data import readers
from netwright.recipe import Read

CATS = [{"id": 1, "name": "cat"}, {"id": 5, "name": "dog"}]


def box(image: int, category: int, **more: Any) -> dict[str, Any]:
    return {"image_id": image, "category_id": category, "bbox": [1, 2, 3, 4], **more}


@pytest.fixture
def layout(tmp_path) -> Callable[..., Path]:
    """Make an annotation file and its images, all or some of them."""

    def make(
        *annotations: Any,
        images: tuple[str, ...] = ("a.png", "b.png"),
        there: tuple[str, ...] | None = None,
        file: str = "annotations.json",
        beside: str = "images",
    ) -> Path:
        for name in images if there is None else there:
            path = tmp_path / beside / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (8, 8)).save(path)
        held = {
            "info": {},
            "images": [{"id": number, "file_name": name} for number, name in enumerate(images)],
            "annotations": list(annotations),
            "categories": CATS,
        }
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(json.dumps(held))
        return tmp_path

    return make


def test_images_with_one_category_each(layout, said):
    table = readers.read(layout(box(0, 1), box(1, 5), box(1, 5)))
    assert table.columns == ["image", "category", "boxes"]
    assert table.frame["category"].to_list() == ["cat", "dog"]
    assert table.frame["boxes"].to_list()[0] == [{"category": "cat", "x": 1.0, "y": 2.0, "width": 3.0, "height": 4.0}]
    assert table.ids() == ["a.png", "b.png"] and all(Path(path).is_file() for path in table.frame["image"])
    assert said == []


def test_images_with_several_categories_or_none(layout, said):
    table = readers.read(layout(box(0, 5), box(0, 1)))
    assert table.frame["categories"].to_list() == [["cat", "dog"], []]
    assert [event.name for event in said] == ["read.unlabelled", "read.categories"]


def test_the_annotation_file_itself_may_be_named(layout):
    path = layout(box(0, 1), box(1, 5), beside=".")
    assert readers.read(path / "annotations.json").ids() == ["a.png", "b.png"]


def test_crowds_are_no_boxes(layout, said):
    table = readers.read(layout(box(0, 1), box(1, 5), box(1, 1, iscrowd=1)))
    assert table.frame["category"].to_list() == ["cat", "dog"]
    assert "1 annotations of crowds" in said[0].text


def test_several_files_are_splits(layout):
    layout(box(0, 1), images=("a.png",), file="annotations/instances_train2017.json", beside="train2017")
    path = layout(box(0, 5), images=("b.png",), file="annotations/instances_val2017.json", beside="val2017")
    table = readers.read(path)
    assert (table.ids(), table.splits.tolist()) == (["a.png", "b.png"], ["train", "validation"])


def test_a_folder_for_each_split(layout):
    for split in ("train", "valid", "test"):
        path = layout(box(0, 1), images=(f"{split}.jpg",), file=f"{split}/_annotations.coco.json", beside=split)
    assert readers.read(path).splits.tolist() == ["test", "train", "validation"]


def test_images_that_are_not_there_are_refused_or_left_out(layout, refused, said):
    path = layout(box(0, 1), box(1, 5), there=("a.png",))
    assert "1 of 2 images are missing: b.png" in refused(readers.read, path)
    assert readers.read(path, settings=Read(bad_rows="leave_out")).ids() == ["a.png"]
    assert said[0].data["rows"] == ["b.png"]


def test_no_image_is_there(layout, refused):
    path = layout(box(0, 1), there=())
    assert "2 of 2 images are missing" in refused(readers.read, path, settings=Read(bad_rows="leave_out"))


@pytest.mark.parametrize(
    ("annotation", "says"),
    [
        ({"image_id": 9, "category_id": 1, "bbox": [1, 2, 3, 4]}, "annotation 1: its image_id 9 is not in the file"),
        ({"id": 77, "image_id": 0, "category_id": 2}, "annotation 77: its category_id 2 is not in the file"),
        ({"image_id": 0, "category_id": 1, "bbox": [1, 2]}, "its bbox is [1, 2]. Allowed: [x, y, width, height]"),
        ("x", "annotation 1: is no object"),
    ],
)
def test_entries_that_cannot_be_read(layout, refused, annotation, says):
    assert says in refused(readers.read, layout(annotation))


def test_a_broken_file(layout, refused):
    path = layout(box(0, 1))
    (path / "annotations.json").write_text((path / "annotations.json").read_text()[:-1])
    assert "annotations.json: is not JSON" in refused(readers.read, path)


def test_other_json_is_left_to_its_source(tmp_path):
    (tmp_path / "rows.json").write_text('[{"images": 1, "annotations": 2, "categories": 3}]')
    assert readers.read(tmp_path / "rows.json").columns == ["images", "annotations", "categories"]


def test_the_fingerprint_is_of_annotations_and_images(layout):
    before = readers.read(path := layout(box(0, 1), box(1, 5))).fingerprint
    Image.new("L", (8, 8), 9).save(path / "images" / "a.png")
    changed = readers.read(path).fingerprint
    assert changed != before
    assert readers.read(layout(box(0, 1), box(1, 1))).fingerprint != changed


def test_captions_are_a_row_each(layout, said):
    told = [{"image_id": 0, "caption": "a cat"}, {"image_id": 0, "caption": "a small cat"}]
    folder = layout(*told, file="annotations/captions_train2017.json")
    held = json.loads((folder / "annotations" / "captions_train2017.json").read_text())
    del held["categories"]  # COCO's captions have none
    (folder / "annotations" / "captions_train2017.json").write_text(json.dumps(held))
    table = readers.read(folder)
    assert table.columns == ["image", "caption"]
    assert table.frame["caption"].to_list() == ["a cat", "a small cat"]
    assert table.ids() == ["a.png", "a.png:2"]
    assert [event.text for event in said] == ["1 images have no caption and are left out (b.png)"]


def test_of_files_on_the_same_images_the_one_of_instances_is_read(layout, said):
    for name in ("captions_val2017", "person_keypoints_val2017", "instances_val2017"):
        annotation = {"image_id": 0, "caption": "a cat"} if "captions" in name else box(0, 1)
        folder = layout(annotation, images=("a.png",), beside="val2017", file=f"annotations/{name}.json")
    table = readers.read(folder)
    assert table.columns == ["image", "category", "boxes"] and len(table) == 1
    assert [event.text.partition(" is not read")[0] for event in said if event.name == "read.same_images"] == [
        "captions_val2017.json",
        "person_keypoints_val2017.json",
    ]
    assert readers.read(folder / "annotations" / "captions_val2017.json").columns == ["image", "caption"]


def test_captions_that_cannot_be_read(layout, refused):
    folder = layout({"image_id": 0, "caption": 3}, {"image_id": 7, "caption": "x"}, {"image_id": 0, "caption": "fine"})
    message = refused(readers.read, folder)
    assert "annotation 1: its caption is 3. Allowed: a text" in message
    assert "annotation 2: its image_id 7 is not in the file" in message
