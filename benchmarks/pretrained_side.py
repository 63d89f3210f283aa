"""One side of `pretrained.py` in a process of its own: prints a JSON line with its times, scores and peak memory.

    python benchmarks/pretrained_side.py WHO WORK FOLDER

Both sides get the same weights, rows, batch size, epochs and learning rate, in float32, with as many threads.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
import torch

BATCH, RATE, LENGTH = 32, 5e-5, 128


def peak() -> float:
    """MB of memory at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def ours(work: str, folder: Path, model: str) -> dict[str, Any]:
    """netwright through its ordinary `train`. The parts of transformers that it uses are imported before, as on the other side."""
    from transformers import AutoConfig, AutoModel, AutoTokenizer  # noqa: F401
    from transformers.models.bert import modeling_bert  # noqa: F401

    import netwright as nw
    from netwright.events import Event, listening

    class Said(list[Event]):
        """When rows were divided, when the last epoch ended, and the memory at most until then."""

        began, ended, peak = 0.0, 0.0, 0.0

        def append(self, event: Event) -> None:
            if event.name == "split":
                self.began = time.perf_counter()
            if event.name == "training.epoch":
                self.ended, self.peak = time.perf_counter(), peak()

    said = Said()
    train, test = folder / "train.csv", folder / "test.csv"
    out = folder / f"run-{work}-{time.time_ns()}"
    if work == "predict":
        return _predicted_by_ours(folder, model)
    if work == "lora":
        chat: dict[str, Any] = {
            "model": {"adapt": {"how": "lora", "rank": 8, "alpha": 16, "maps": "queries_values"}},
            "columns": {"messages": {"kind": "messages", "length": 256}}, "split": {"test_data": str(folder / "chat_test.jsonl"), "validation": 0.0},
            "training": {"epochs": 1, "batch_size": 4, "learning_rate": 2e-4, "schedule": "constant", "warmup": 0.0, "weight_decay": 0.0},
        }  # fmt: skip
        with listening(said):
            found = nw.train(folder / "chat.jsonl", target="messages", model=model, output=out, settings=chat)
        history = found.metrics["history"]
        return {"seconds": history[-1]["seconds"], "loss": found.metrics["test"]["loss"]["value"], "peak": said.peak}
    frozen = work == "frozen"
    settings: dict[str, Any] = {
        "model": {"adapt": "frozen" if frozen else "full", "length": LENGTH, "dropout": 0.0},
        "split": {"test_data": str(test), "validation": 0.0}, "columns": {"label": "category"},
        "training": {"epochs": 5 if frozen else 1, "batch_size": BATCH, "learning_rate": 1e-3 if frozen else RATE, "schedule": "constant", "warmup": 0.0, "weight_decay": 0.01, "patience": 0},
        "trust": {"calibrate": False},
    }  # fmt: skip
    os.environ["NETWRIGHT_CACHE"] = str(folder / f"cache-{time.time_ns()}")  # nothing is there already
    with listening(said):
        found = nw.train(train, target="label", model=model, output=out, settings=settings)
    # from divided rows to trained weights: tokens, the plan's measuring, reading weights and all steps
    return {
        "seconds": said.ended - said.began, "steps": found.metrics["history"][-1]["seconds"],
        "accuracy": found.metrics["test"]["accuracy"]["value"], "peak": said.peak,
    }  # fmt: skip


def theirs(work: str, folder: Path, model: str) -> dict[str, Any]:
    """transformers' Trainer: rows padded to the longest of each batch, or grouped by length."""
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
    )  # fmt: skip
    from transformers.models.bert import modeling_bert  # noqa: F401

    kind, *ways = work.split("-")
    grouped = "grouped" in ways
    rows, test = pl.read_csv(folder / "train.csv"), pl.read_csv(folder / "test.csv")
    began = time.perf_counter()
    tokenizer = AutoTokenizer.from_pretrained(model)
    quiet = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0} if "still" in ways else {}
    net = AutoModelForSequenceClassification.from_pretrained(model, num_labels=2, **quiet)
    if kind == "frozen":
        net.base_model.requires_grad_(False)

    def made(frame: pl.DataFrame) -> list[dict[str, Any]]:
        found = tokenizer(frame["text"].to_list(), truncation=True, max_length=LENGTH)
        labels = (frame["label"] == "positive").cast(pl.Int64).to_list()
        return [{**{name: found[name][row] for name in found}, "label": label} for row, label in enumerate(labels)]

    data, held = made(rows), made(test)
    settings = TrainingArguments(
        output_dir=str(folder / f"trainer-{time.time_ns()}"), num_train_epochs=5 if kind == "frozen" else 1, per_device_train_batch_size=BATCH,
        learning_rate=1e-3 if kind == "frozen" else RATE, lr_scheduler_type="constant", weight_decay=0.01, report_to=[], save_strategy="no",
        logging_strategy="no", disable_tqdm=True, use_cpu=True, train_sampling_strategy="group_by_length" if grouped else "random",
        dataloader_num_workers=0, seed=0,
    )  # fmt: skip
    trainer = Trainer(net, settings, train_dataset=data, data_collator=DataCollatorWithPadding(tokenizer))
    start = time.perf_counter()
    trainer.train()
    steps = time.perf_counter() - start
    seconds = time.perf_counter() - began
    right = trainer.predict(held)
    if kind == "frozen":  # our side reads the test rows with the frozen network before it trains
        seconds = time.perf_counter() - began
    accuracy = float((right.predictions.argmax(1) == right.label_ids).mean())
    return {"seconds": seconds, "steps": steps, "accuracy": accuracy, "peak": peak()}


def peft(work: str, folder: Path, model: str) -> dict[str, Any]:
    """PEFT and Trainer, grouped by length: the same tokens, of which the same count."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

    import netwright as nw  # noqa: F401 - the tokens are read from our run's kinds
    from netwright.kinds.messages import Options
    from netwright.kinds.messages import Target as MessagesTarget

    frames = [pl.read_ndjson(folder / name) for name in ("chat.jsonl", "chat_test.jsonl")]
    kind = MessagesTarget.fit(frames[0].select("messages"), Options(tokenizer=model, length=256, vocabulary=49152))
    net: Any = get_peft_model(
        AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32),
        LoraConfig(r=8, lora_alpha=16, lora_dropout=0.0, target_modules=["q_proj", "k_proj", "v_proj"][::2], task_type="CAUSAL_LM"),
    )  # fmt: skip

    def made(frame: pl.DataFrame) -> list[dict[str, Any]]:
        ids, counted = kind.documents(frame.select("messages"))
        return [
            {"input_ids": row.tolist(), "labels": [int(t) if c else -100 for t, c in zip(row, mask, strict=True)]}
            for row, mask in zip(ids, counted, strict=True)
        ]

    def padded(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        size = max(len(row["input_ids"]) for row in rows)
        fill = lambda name, value: torch.tensor([row[name] + [value] * (size - len(row[name])) for row in rows])  # noqa: E731
        real = torch.tensor([[1] * len(row["input_ids"]) + [0] * (size - len(row["input_ids"])) for row in rows])
        return {"input_ids": fill("input_ids", 2), "labels": fill("labels", -100), "attention_mask": real}

    settings = TrainingArguments(
        output_dir=str(folder / f"peft-{time.time_ns()}"), num_train_epochs=1, per_device_train_batch_size=4, learning_rate=2e-4,
        lr_scheduler_type="constant", weight_decay=0.0, report_to=[], save_strategy="no", logging_strategy="no", disable_tqdm=True,
        use_cpu=True, train_sampling_strategy="group_by_length", seed=0,
    )  # fmt: skip
    trainer = Trainer(net, settings, train_dataset=made(frames[0]), data_collator=padded)
    start = time.perf_counter()
    trainer.train()
    seconds, top = time.perf_counter() - start, peak()
    net.eval()
    total, count = 0.0, 0
    with torch.no_grad():
        for row in made(frames[1]):
            batch = padded([row])
            wanted = int((batch["labels"][:, 1:] != -100).sum())
            total, count = total + float(net(**batch).loss) * wanted, count + wanted
    return {"seconds": seconds, "loss": total / count, "peak": top}


def _texts(folder: Path) -> list[str]:
    return pl.read_csv(folder / "predict.csv")["text"].to_list()


def _timed(call: Any, times: int = 3) -> float:
    found = []
    for _ in range(times + 1):
        began = time.perf_counter()
        call()
        found.append(time.perf_counter() - began)
    return sorted(found[1:])[times // 2]


def _predicted_by_ours(folder: Path, model: str) -> dict[str, Any]:
    import netwright as nw

    found = {}
    for name in ("run", "run-int8"):
        loaded = nw.load(folder / name)
        frame = pl.read_csv(folder / "predict.csv").select("text")
        torch.set_num_threads(2)
        found[name] = _timed(lambda loaded=loaded, frame=frame: loaded.predict(frame))
        test = pl.read_csv(folder / "test.csv")
        found[f"{name} accuracy"] = loaded.evaluate(test)["metrics"]["accuracy"]["value"]
    return found


def pipeline(work: str, folder: Path, model: str) -> dict[str, Any]:
    """transformers' pipeline, sorted by length, the same batch size."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    from transformers import pipeline as made

    net = AutoModelForSequenceClassification.from_pretrained(model, num_labels=2)
    run = made("text-classification", model=net, tokenizer=AutoTokenizer.from_pretrained(model), device="cpu")
    texts = sorted(_texts(folder), key=len)
    return {"float32": _timed(lambda: run(texts, batch_size=64, truncation=True, max_length=LENGTH))}


def runtime(work: str, folder: Path, model: str) -> dict[str, Any]:
    """ONNX Runtime, sorted by length, the same batch size: our run's exported graph, and its own 8-bit form of it."""
    import importlib.util

    import onnxruntime
    from onnxruntime.quantization import QuantType, quantize_dynamic

    exported = folder / "onnx"
    spec = importlib.util.spec_from_file_location("run", exported / "run.py")
    assert spec and spec.loader
    code = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(code)
    small = exported / "int8.onnx"
    quantize_dynamic(exported / "model.onnx", small, weight_type=QuantType.QInt8)
    texts = sorted(_texts(folder), key=len)
    test = pl.read_csv(folder / "test.csv")
    out: dict[str, Any] = {}
    for name, file in (("float32", "model.onnx"), ("int8", "int8.onnx")):
        whole = code.Model(exported, threads=2)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 2
        whole.session = onnxruntime.InferenceSession(str(exported / file), options, providers=["CPUExecutionProvider"])

        def answer(given: list[str], whole: Any = whole) -> list[Any]:
            rows = [{"text": text} for text in given]
            return [one for at in range(0, len(rows), 64) for one in whole(rows[at : at + 64])]

        out[name] = _timed(lambda answer=answer: answer(texts))
        found = [row["label_predicted"] for row in answer(test["text"].to_list())]
        out[f"{name} accuracy"] = float((pl.Series(found).cast(pl.String) == test["label"]).mean())  # type: ignore[arg-type]
    return out


SIDES = {"ours": ours, "runtime": runtime, "trainer": theirs, "peft": peft, "pipeline": pipeline}
if __name__ == "__main__":
    who, work, place, checkpoint = sys.argv[1:5]
    torch.set_num_threads(2)
    print(json.dumps(SIDES[who](work, Path(place), checkpoint)))
