"""A row's random numbers are its own: a pure function of seed, epoch and row, whatever the batch."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import torch
from scipy import stats

from netwright.kinds.image import Input as ImageInput
from netwright.kinds.image import Options
from netwright.nn.randomness import Draw
from netwright.nn.shapes import Want
from netwright.nn.stems.image import SHIFT, Stem, shifted
from netwright.runtime.seeds import generator, seed_for


@pytest.mark.parametrize("rows", [[7], [7, 3], [0, 1, 2, 7], [7, 7]])
def test_a_row_draws_the_same_in_any_batch(rows: list[int]) -> None:
    alone, among = Draw(5, 2, torch.tensor([7])), Draw(5, 2, torch.tensor(rows))
    where = rows.index(7)
    for _ in range(3):
        assert torch.equal(alone.uniform((4, 2))[0], among.uniform((4, 2))[where])
        assert torch.equal(alone.normal()[0], among.normal()[where])


def test_seed_epoch_row_and_call_each_change_what_is_drawn() -> None:
    first = Draw(5, 2, torch.tensor([7, 8]))
    drawn = [
        first.uniform((50,)),
        first.uniform((50,)),
        Draw(6, 2, torch.tensor([7])).uniform((50,)),
        Draw(5, 3, torch.tensor([7])).uniform((50,)),
    ]
    every = torch.cat(drawn)
    assert every.unique().numel() == every.numel()
    correlation = np.corrcoef(every.numpy())[np.triu_indices(5, 1)]
    assert np.abs(correlation).max() < 0.5


def test_numbers_are_uniform_and_normal() -> None:
    draw = Draw(0, 0, torch.arange(2000))
    uniform, normal = draw.uniform((10,)), draw.normal((10,))
    assert float(uniform.min()) >= 0 and float(uniform.max()) < 1
    assert stats.kstest(uniform.flatten().numpy(), "uniform").pvalue > 0.001
    assert stats.kstest(normal.flatten().numpy(), "norm").pvalue > 0.001


def test_seeds_differ_by_purpose() -> None:
    assert len({seed_for(0, "split"), seed_for(0, "order", 0), seed_for(0, "order", 1), seed_for(1, "split")}) == 4
    assert generator(1, "a").integers(100) == generator(1, "a").integers(100)


def pictures(channels: int) -> torch.Tensor:
    return torch.randint(0, 256, (6, 16, 16, channels), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_augmentation_is_a_shift_of_the_rows_own() -> None:
    images, rows = pictures(1), torch.arange(6)
    whole = shifted(images, Draw(1, 0, rows), mirror=False)
    alone = torch.cat([shifted(images[k : k + 1], Draw(1, 0, rows[k : k + 1]), mirror=False) for k in range(6)])
    assert torch.equal(whole, alone)
    reach = 16 // SHIFT
    for before, after in zip(images[..., 0], whole[..., 0], strict=True):
        moves = [
            (down, right)
            for down in range(-reach, reach + 1)
            for right in range(-reach, reach + 1)
            if torch.equal(
                after, before[(torch.arange(16) + down).clamp(0, 15)][:, (torch.arange(16) + right).clamp(0, 15)]
            )
        ]
        assert len(moves) == 1
    assert not torch.equal(whole, shifted(images, Draw(1, 1, rows), mirror=False)), "another epoch, another shift"


@pytest.mark.parametrize(("channels", "mirrored"), [(1, False), (3, True)])
def test_photos_are_mirrored_and_grey_images_are_not(channels: int, mirrored: bool) -> None:
    images = pictures(channels)
    frame = pl.DataFrame({"i": images.squeeze(-1).numpy() if channels == 1 else images.numpy()})
    stem = Stem(ImageInput.fit(frame, Options()), Want("grid"))
    assert stem.mirror is mirrored
    plain = stem({"pixels": images}).values
    assert torch.equal(plain, stem({"pixels": images}).values), "without a draw an image stays as it is"
    assert not torch.equal(plain, stem({"pixels": images}, Draw(0, 0, torch.arange(6))).values)
