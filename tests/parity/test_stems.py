"""What the stems make of columns equals plain formulas, forward and gradient."""

from __future__ import annotations

import math

import polars as pl
import pytest
import torch
from torch import Tensor, nn

from netwright.kinds.category import Input as CategoryInput
from netwright.kinds.image import Input as ImageInput
from netwright.kinds.labels import Input as LabelsInput
from netwright.kinds.number import Input as NumberInput
from netwright.kinds.number import Options
from netwright.nn.batch import Lists
from netwright.nn.shapes import Want
from netwright.nn.stems.category import Stem as CategoryStem
from netwright.nn.stems.image import Stem as ImageStem
from netwright.nn.stems.labels import Stem as LabelsStem
from netwright.nn.stems.number import HIDDEN
from netwright.nn.stems.number import Stem as NumberStem
from netwright.nn.stems.text import SparseMap

from .agreement import agree

EDGES = ((-2.0, -0.5, 0.25, 3.0), (0.0, 1.0))  # three bins for the first column, one for the second


@pytest.fixture
def numbers() -> NumberInput:
    frame = pl.DataFrame({"a": [0.0, 1.0, 2.0], "b": [1.0, None, 3.0]})
    return NumberInput.fit(frame, Options(scale="none")).model_copy(update={"edges": EDGES})


def number_stem(kind: NumberInput, want: Want) -> NumberStem:
    stem = NumberStem(kind, want).double()
    for weight in stem.parameters():
        nn.init.normal_(weight)
    return stem


X = torch.tensor([[0.5, 0.2], [-3.0, 7.0], [0.25, math.nan], [9.0, -1.0]], dtype=torch.float64)
REAL = X.nan_to_num(0.0)
GAPS = X[:, 1:].isnan().double()  # only column b had gaps in training


def test_plain_numbers_come_with_an_indicator_of_what_is_missing(numbers: NumberInput) -> None:
    out = number_stem(numbers, Want("vector"))({"values": REAL, "values_missing": X.isnan()}).values
    torch.testing.assert_close(out, torch.cat([REAL, GAPS], 1))


def test_a_periodic_embedding_is_its_formula(numbers: NumberInput) -> None:
    """[x, W cos(2π(w·x + b)) + c] for each column (RealMLP)."""
    stem = number_stem(numbers, Want("vector", options={"embedding": "periodic", "embedding_width": 4}))
    own = stem.embed

    def theirs(x: Tensor) -> Tensor:
        parts = []
        for column in range(2):
            waves = torch.cos(2 * math.pi * (torch.outer(x[:, column], own.frequency[column]) + own.phase[column]))
            parts += [x[:, column : column + 1], waves @ own.weight[column] + own.bias[column]]
        return torch.cat([*parts, torch.zeros(len(x), 1, dtype=x.dtype)], 1)

    assert own.frequency.shape == (2, HIDDEN)
    agree(lambda x: stem({"values": x}).values, theirs, REAL, list(stem.parameters()))


def test_a_piecewise_linear_embedding_is_its_formula(numbers: NumberInput) -> None:
    """Bin t gives (x - e_t) / (e_{t+1} - e_t), cut to 0 ... 1 but open at both ends (Gorishniy et al. 2022)."""
    stem = number_stem(numbers, Want("vector", options={"embedding": "piecewise", "embedding_width": 4}))
    own = stem.embed

    def filled(x: Tensor, edges: tuple[float, ...]) -> Tensor:
        bins = []
        for t, (low, high) in enumerate(zip(edges, edges[1:], strict=False)):
            share = (x - low) / (high - low)
            if t > 0:
                share = torch.where(share < 0, 0.0, share)
            if t < len(edges) - 2:
                share = torch.where(share > 1, 1.0, share)
            bins.append(share)
        return torch.stack(bins, 1)

    def theirs(x: Tensor) -> Tensor:
        parts = [filled(x[:, c], EDGES[c]) @ own.weight[c, : len(EDGES[c]) - 1] + own.bias[c] for c in range(2)]
        return torch.cat([*parts, torch.zeros(len(x), 1, dtype=x.dtype)], 1)

    x = REAL + 0.01  # off the edges, where the slope is not defined
    agree(lambda x: stem({"values": x}).values, theirs, x, list(stem.parameters()))


def test_both_are_raw_numbers_and_what_bins_make_of_them(numbers: NumberInput) -> None:
    stem = number_stem(numbers, Want("vector", options={"embedding": "both", "embedding_width": 4}))
    found = stem({"values": REAL}).values
    assert stem.out.views == (2, 8) and stem.out.width == found.shape[1] == 2 + 8 + 1
    wanted = torch.cat([REAL, stem.embed.piecewise(REAL), torch.zeros(len(REAL), 1, dtype=REAL.dtype)], 1)
    torch.testing.assert_close(found, wanted)


def test_numbers_as_elements_are_slope_times_value_plus_offset(numbers: NumberInput) -> None:
    stem = number_stem(numbers, Want("sequence", 3))

    def theirs(x: Tensor) -> Tensor:
        return torch.stack([torch.outer(x[:, c], stem.slope[c]) + stem.offset[c] for c in range(2)], 1)

    agree(lambda x: stem({"values": x}).values, theirs, REAL, [stem.slope, stem.offset])
    torch.testing.assert_close(
        stem({"values": REAL, "values_missing": X.isnan()}).values[2, 1], stem.absent[1]
    )  # a missing value is an element of its own


def test_categories_are_one_hot_or_looked_up_and_an_unseen_value_is_zero() -> None:
    many = [f"v{k}" for k in range(12)]
    frame = pl.DataFrame({"few": (["a", "b", "c"] * 4), "many": many})
    kind = CategoryInput.fit(frame, CategoryInput.Options(kind="category"))
    codes = torch.from_numpy(
        kind.encode(
            pl.DataFrame({"few": ["c", "new", None], "many": ["v3", "v4", "new"]}), lambda rows: [""] * len(rows)
        )["codes"]
    )
    stem = CategoryStem(kind, Want("vector"))
    out = stem({"codes": codes}).values
    place = kind.values[0].index("c")
    assert out[0, :4].tolist() == [0.0] + [float(k == place) for k in range(3)]  # missing, then the values
    assert out[1, :4].tolist() == [0, 0, 0, 0] and out[2, :4].tolist() == [1, 0, 0, 0]
    table = stem.table.weight
    torch.testing.assert_close(out[0, 4:], table[2 + kind.values[1].index("v3")])
    assert (out[2, 4:] == 0).all()


@pytest.mark.parametrize("form", ["affine", "sequence"])
def test_a_linear_models_categories_add_up(form: str) -> None:
    kind = CategoryInput.fit(pl.DataFrame({"a": ["x", "y"], "b": ["z", "w"]}), CategoryInput.Options(kind="category"))
    stem = CategoryStem(kind, Want(form, 3))  # type: ignore[arg-type]
    nn.init.normal_(stem.table.weight)
    codes = torch.tensor([[2, 3], [1, 0]])
    rows = stem.table.weight[codes + torch.tensor([0, 4])]  # (B, C, D): each column has its own 4 rows
    torch.testing.assert_close(stem({"codes": codes}).values, rows.sum(1) if form == "affine" else rows)


def test_labels_are_the_sum_of_their_vectors() -> None:
    kind = LabelsInput(columns=("l",), values=("a", "b", "c"), separator="|")
    hot = torch.tensor([[1, 0, 1], [0, 0, 0]], dtype=torch.uint8)
    stem = LabelsStem(kind, Want("sequence", 4))
    torch.testing.assert_close(stem({"hot": hot}).values[:, 0], hot.float() @ stem.weight.weight.T)
    assert LabelsStem(kind, Want("vector"))({"hot": hot}).values.tolist() == hot.tolist()


def test_patches_of_an_image_are_one_linear_map_of_each_square() -> None:
    kind = ImageInput(columns=("i",), height=8, wide=12, channels=3, mean=0.4, deviation=0.2)
    pixels = torch.randint(0, 256, (2, 8, 12, 3), dtype=torch.uint8)
    grid = ((pixels.float() / 255 - 0.4) / 0.2).permute(0, 3, 1, 2)
    torch.testing.assert_close(ImageStem(kind, Want("grid"))({"pixels": pixels}).values, grid)
    stem = ImageStem(kind, Want("sequence", 5, {"patch": 4}))
    squares = grid.unfold(2, 4, 4).unfold(3, 4, 4).permute(0, 2, 3, 1, 4, 5).reshape(2, 6, 48)  # 2 × 3 squares
    expected = squares @ stem.patches.weight.reshape(5, 48).T + stem.patches.bias + stem.place
    torch.testing.assert_close(stem({"pixels": pixels}).values, expected, atol=1e-5, rtol=1e-5)


def test_a_bag_of_n_grams_is_a_sparse_row_times_its_table() -> None:
    weight = torch.randn(9, 3, dtype=torch.float64, requires_grad=True)
    ids = Lists(torch.tensor([8, 0, 3, 3], dtype=torch.int32), torch.tensor([0, 2, 2, 4]))
    values = torch.tensor([0.5, 2.0, 1.0, -1.5], dtype=torch.float64)
    dense = torch.zeros(3, 9, dtype=torch.float64)
    for row, column, value in zip((0, 0, 2, 2), ids.values.tolist(), values, strict=True):
        dense[row, column] += value
    agree(lambda w: SparseMap.apply(w, ids.values, ids.offsets, values), lambda w: dense @ w, weight)  # type: ignore[arg-type]
    assert torch.autograd.gradcheck(lambda w: SparseMap.apply(w, ids.values, ids.offsets, values), weight)
