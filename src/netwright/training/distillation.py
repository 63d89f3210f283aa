"""Distillation: what a teacher's network answers is learnt beside the truth (Hinton et al. 2015, arXiv 1503.02531). n rows."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import polars as pl
import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional as F

from netwright.data import readers
from netwright.data.schema import Fitted
from netwright.data.table import Table
from netwright.errors import InputError, Problem
from netwright.events import say, say_rows
from netwright.inference.model import Answers, Model, load, precisely
from netwright.kinds import infer
from netwright.kinds.base import Input, Target, kind_name
from netwright.nn.batch import Batch, Lists
from netwright.nn.network import Network
from netwright.nn.stems.text import Stem as TextStem
from netwright.nn.trunks.pretrained.inner import Encoder
from netwright.nn.trunks.pretrained.net import Net as Pretrained
from netwright.recipe import Recipe
from netwright.runtime import cache
from netwright.runtime.arrays import Arrays, Ragged
from netwright.runtime.run import Run
from netwright.training import text_augmentation

SLOWER = 0.25  # what the learning rate of vectors that begin as the teacher's is multiplied by
NEAR = 15  # words that stand near a word, of which one may take its place
AT_ONCE = 512  # tokens that are read alone, a call
ARRAYS = {"one_of": "probability", "some_of": "probability", "value": "value"}  # what is taught of such answers


def answered(recipe: Recipe, table: Table) -> Table:
    """Return the unlabelled rows with the teacher's answers as their targets, in the columns of `table`.

    Rows that stand in `table` too are left out, so that none that measures is learnt. Raises `InputError` where there is no
    teacher, or the rows lack a column that it reads.
    """
    if recipe.teacher is None:
        fix = "netwright distill RUN --into mlp --unlabelled FILE"
        raise InputError(Problem("unlabelled", "there is no teacher to label these rows", fix=fix))
    model = load(recipe.teacher)
    rows = readers.read(recipe.unlabelled, settings=recipe.read)
    rows.require(model.fitted.columns, setting="unlabelled")
    plain = [name for name in model.fitted.columns if not rows.frame[name].dtype.is_nested()]
    texts = [pl.col(name).cast(pl.String, strict=False) for name in plain]
    there = rows.frame.select(texts).with_row_index("#").join(table.frame.select(texts), on=plain, how="semi", nulls_equal=True)["#"]  # fmt: skip
    if len(there):
        text = f"{len(there):,} rows are also in {table.name} and are left out"
        say_rows("unlabelled.known", text, rows.named(there.to_numpy()))
        rows = rows.take(np.setdiff1d(np.arange(len(rows)), there.to_numpy()))
    if not len(rows):
        raise InputError(Problem(rows.name, "no row is left for the teacher to answer", fix="give rows of its own"))
    frame = _with_answers(rows.frame, model.predict(rows), model, table, recipe.weight)
    say("step", "unlabelled", f"{rows.name}: {len(rows):,} rows, answered by {recipe.teacher}; used for training only", rows=len(rows))  # fmt: skip
    return replace(rows, frame=frame, splits=None)


def _with_answers(
    rows: pl.DataFrame, found: pl.DataFrame, model: Model, table: Table, weight: str | None
) -> pl.DataFrame:
    """The rows in the columns of `table`, what was found as their targets."""
    frame = rows.select(name for name in rows.columns if name in table.columns and name not in model.targets)
    for name in table.columns:
        if name in model.targets:
            value = found[f"{name}_predicted"]
            own = next(kind for kind in model.fitted.targets.values() if kind.columns[0] == name)
            if table.frame[name].dtype.is_nested():
                value = value.str.split(getattr(own, "separator", "|"))
            frame = frame.with_columns(value.alias(name))
        elif name not in frame.columns:
            blank = pl.lit(1.0 if name == weight else None, dtype=table.frame[name].dtype)
            frame = frame.with_columns(blank.alias(name))
    return frame.select(table.columns)


def answers(recipe: Recipe, table: Table) -> Answers:
    """Return what the recipe's teacher answers a table's rows."""
    assert recipe.teacher is not None
    return _asked(load(recipe.teacher), table)


def more(recipe: Recipe, table: Table, train: np.ndarray) -> tuple[Table, Answers]:
    """Return rows made of the training rows (n,), as many as the recipe asks for, and the teacher's answers to all.

    Made rows have its answers as their targets, and stand behind `table`'s in the answers. Raises `InputError` where rows are
    made and the teacher reads no text.
    """
    assert recipe.teacher is not None
    model = load(recipe.teacher)
    texts = [kind.columns[0] for kind in model.fitted.inputs.values() if kind.signal == "sequence"]
    if not texts:
        raise InputError(Problem("made", f"augmentation changes texts, and {recipe.teacher} reads none", fix="leave it out"))  # fmt: skip
    frame = table.frame[train]
    alike = _alike(model, text_augmentation.vocabulary(frame, texts))
    made = Table.of(
        text_augmentation.rows(frame, texts, alike, count=recipe.made, seed=recipe.training.seed or 0), name="made"
    )
    both = replace(table, frame=pl.concat([table.frame.select(model.fitted.columns), made.frame.select(model.fitted.columns)], how="vertical_relaxed"))  # fmt: skip
    found = _asked(model, both)
    own = {key: {name: array[len(table) :] for name, array in arrays.items()} for key, arrays in found.items()}
    return replace(made, frame=_with_answers(made.frame, model.decode(made, own), model, table, recipe.weight)), found


def _asked(model: Model, table: Table) -> Answers:
    """The teacher's answers, which are kept in the cache for its next student."""
    assert model.run is not None
    encoded, name, own = model.fitted.encode(table), str(model.run.folder), _content(model)

    def ask() -> Arrays:
        found = model.answers(encoded, len(table))
        return {f"{key} {part}": np.asarray(array) for key, arrays in found.items() for part, array in arrays.items()}

    began = time.perf_counter()
    out: Answers = {}
    for both, array in cache.kept(f"answers {own} {cache.content(encoded)}", ask, least=0).items():
        key, part = both.split(" ")
        out.setdefault(key, {})[part] = np.asarray(array)
    seconds = time.perf_counter() - began
    text = f"{name} predicted {len(table):,} rows in {seconds:.1f} s as distillation targets"
    say("step", "teacher", text, rows=len(table), seconds=seconds)
    return out


def _content(model: Model) -> list[str]:
    """What a model's answers hang on."""
    assert model.run is not None
    files = (model.run.weights, model.run.trust)
    return [hashlib.blake2b(path.read_bytes()).hexdigest() for path in files if path.exists()]


def _vectors(model: Model) -> tuple[str, Tensor] | None:
    """The tokenizer that a model reads texts by, and its tokens' vectors (V, D); None where it reads no tokens."""
    for key, kind in model.fitted.inputs.items():
        stem, trunk = model.network.stems[key], model.network.trunk
        if not kind.shared:
            continue
        if isinstance(trunk, Pretrained) and isinstance(trunk.inner, Encoder):
            return kind.shared, trunk.inner.vectors().detach()[: kind.width]  # type: ignore[attr-defined]  # some are padded
        if isinstance(stem, TextStem) and stem.form == "sequence":
            return kind.shared, stem.table.weight.detach()
    return None


def _alike(model: Model, words: list[str]) -> dict[str, list[str]]:
    """By word that is a token of its own: the words whose tokens' vectors have the largest cosines with its."""
    found = _vectors(model)
    if found is None:
        return {}
    tokenizer, table = Tokenizer.from_str(found[0]), found[1]

    def alone(words: list[str]) -> dict[str, int]:
        """The words that are one token, and its number."""
        each = tokenizer.encode_batch(words, add_special_tokens=False)
        return {word: item.ids[0] for word, item in zip(words, each, strict=True) if len(item.ids) == 1}

    whole = [tokenizer.decode([number]).strip() for number in range(len(table))]
    every = alone(sorted({word for word in whole if word.isalpha() and word == word.lower()}))
    asked = {word: number for word, number in alone(words).items() if word in every}
    names, rows = list(every), F.normalize(table - table.mean(0), dim=1)
    among, out = rows[list(every.values())], dict[str, list[str]]()
    for at in range(0, len(asked), 1024):
        some = list(asked)[at : at + 1024]
        near = (rows[[asked[word] for word in some]] @ among.T).topk(min(NEAR + 1, len(names))).indices.tolist()
        out |= {word: [names[place] for place in places if names[place] != word] for word, places in zip(some, near, strict=True)}  # fmt: skip
    return out


def _table(model: Model, seen: np.ndarray, width: int) -> Tensor:
    """The tokens' vectors (V, width): the directions in which those of the `seen` ones differ most (PCA), kept in the cache.

    A vector is what stands in the teacher's table, and beside it what the teacher makes of the token alone, where it reads
    nothing but one text (as model2vec does, whose vectors are that alone).
    """

    def make() -> Arrays:
        found = _vectors(model)
        assert found is not None
        table = found[1].cpu().double()
        table = (table - table[seen].mean(0)) / table.std()
        texts = list(model.fitted.inputs.values())
        if len(texts) == 1 and texts[0].shared and not getattr(texts[0], "windows", False):
            alone = _alone(model, seen).double()
            beside = table.new_zeros(len(table), alone.shape[1])
            beside[seen] = (alone - alone.mean(0)) / alone.std().clamp(min=1e-7)
            table = torch.cat([table, beside], 1)
        _, directions = torch.linalg.eigh(table[seen].T @ table[seen])  # the last differ most
        return {"table": (table @ directions.flip(1)[:, :width]).float().numpy()}

    seen_too = hashlib.blake2b(seen.tobytes()).hexdigest()
    kept = cache.kept(f"teacher's tokens {_content(model)} {width} {seen_too}", make, least=0)
    return torch.from_numpy(np.array(kept["table"]))


@torch.no_grad()
def _alone(model: Model, seen: np.ndarray) -> Tensor:
    """(n, D) what the teacher's network makes of texts of one token each, of these (n,)."""
    ((key, _),) = model.fitted.inputs.items()
    model.network.eval()
    with precisely(model.plan):
        return torch.cat([
            model.network.vector(Batch({key: {"ids": Lists(some, torch.arange(len(some) + 1, device=some.device))}})).float().cpu()
            for some in torch.from_numpy(seen.astype(np.int32)).to(model.plan.device).split(AT_ONCE)
        ])  # fmt: skip


def begin(network: Network, kinds: Mapping[str, Input], inputs: Mapping[str, Arrays], teacher: str) -> None:
    """Give a network that reads the teacher's tokens the teacher's vectors of them, at the scale of its own.

    `inputs`: the encoded rows, whose tokens are seen.
    """
    for key, kind in kinds.items():
        stem = network.stems[key]
        if not kind.shared or not isinstance(stem, TextStem) or stem.form not in ("sequence", "vector"):
            continue
        name, model = "table" if stem.form == "sequence" else "bag", load(teacher)
        own, ids, found = getattr(stem, name).weight.data, inputs[key]["ids"], _vectors(model)
        if found is None or found[0] != kind.shared:
            continue
        assert isinstance(ids, Ragged)
        table = _table(model, np.unique(ids.values), own.shape[1])
        own[: len(table), : table.shape[1]] = table * (own.std() / table.std())
        say(
            "choice",
            "teacher.vectors",
            f"{kind.columns[0]}: its token embeddings start from {teacher}'s",
        )


def taught(kinds: Mapping[str, Target], targets: dict[str, Arrays], teacher: str, found: Answers) -> dict[str, Arrays]:
    """Return the encoded targets with what the teacher `found` for the same rows beside them, as `teacher` (n, ...).

    Raises `InputError` where the teacher answers other targets, or of another kind.
    """
    run = Run.open(teacher)
    theirs = {kind.columns[0]: (key, kind) for key, kind in Fitted.from_json(run.read(run.kinds)).targets.items()}
    out = dict(targets)
    for key, kind in kinds.items():
        column = kind.columns[0]
        if column not in theirs:
            raise InputError(Problem("teacher", f"{teacher} does not answer {column}", allowed=", ".join(theirs)))
        their_key, their_kind = theirs[column]
        if kind_name(their_kind) != kind_name(kind):
            what = f"{teacher} answers {column} as a {kind_name(their_kind)}, and here it is a {kind_name(kind)}"
            raise InputError(Problem("teacher", what, fix=f"--columns.{column}.kind {kind_name(their_kind)}"))
        if kind.answer not in ARRAYS:
            able = [name for name in infer.able("target") if infer.target_class(name).answer in ARRAYS]
            what = f"a {kind_name(kind)} cannot be distilled"
            raise InputError(Problem("teacher", what, allowed=", ".join(able)))
        name = ARRAYS[kind.answer]
        answer = their_kind.rebased({name: np.asarray(found[their_key][name])}, kind)[name]
        out[key] = {**targets[key], "teacher": answer.astype(np.float32)}
    return out
