"""One peer on one piece of work; prints its times as JSON. Run by `speed.py`, in the peers' own environment.

Work: `dense` (4 → 10 → 1), `convnet` (28×28, program 3), `lstm` (200 tokens, program 4), `table` (20 → 100 → 2).
Every peer gets the same arrays, in memory and already encoded, float32, and does the same number of steps of the same
batch size with Adam at its default rate. `start`: seconds from the made model to the end of its first epoch less a
steady epoch, that is compiling and warming up.
"""

from __future__ import annotations

import json
import os
import sys
import time

import numpy as np
from speed_work import WORK, Work, arrays

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def keras(work: Work, backend: str) -> list[float]:
    """Keras's own fit: its epochs' seconds."""
    os.environ["KERAS_BACKEND"] = backend
    import keras

    layers = keras.layers
    shapes = {
        "dense": [layers.Dense(10, activation="relu"), layers.Dense(1)],
        "convnet": [
            layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(2), layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2), layers.Conv2D(64, 3, activation="relu"), layers.Flatten(),
            layers.Dense(64, activation="relu"), layers.Dense(10, activation="softmax"),
        ],
        "lstm": [layers.Embedding(10_000, 128), layers.LSTM(128), layers.Dense(1, activation="sigmoid")],
        "table": [layers.Dense(100, activation="relu"), layers.Dense(2, activation="softmax")],
    }  # fmt: skip
    x, y = arrays(work)
    if work.net == "convnet":
        x = x.astype(np.float32) / 255
    model = keras.Sequential([layers.Input(x.shape[1:], dtype=x.dtype), *shapes[work.net]])
    losses = {"dense": "mse", "lstm": "binary_crossentropy"}
    model.compile(optimizer="adam", loss=losses.get(work.net, "sparse_categorical_crossentropy"))
    times: list[float] = []

    class Clock(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
            self.began = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: object = None) -> None:
            times.append(time.perf_counter() - self.began)

    began = time.perf_counter()
    model.fit(x, y, batch_size=work.batch, epochs=work.epochs, verbose=0, callbacks=[Clock()])
    return [*times, time.perf_counter() - began]


def torch_net(work: Work, *, last: bool = False) -> object:
    """The same network in plain PyTorch."""
    import torch
    from torch import nn

    class Lstm(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.lstm, self.out = (
                nn.Embedding(10_000, 128),
                nn.LSTM(128, 128, batch_first=True),
                nn.Linear(128, 1),
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.out(self.lstm(self.table(x))[0][:, -1])

    nets = {
        "dense": lambda: nn.Sequential(nn.Linear(4, 10), nn.ReLU(), nn.Linear(10, 1)),
        "convnet": lambda: nn.Sequential(
            nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(64, 64, 3), nn.ReLU(), nn.Flatten(), nn.Linear(576, 64), nn.ReLU(), nn.Linear(64, 10),
        ),
        "lstm": Lstm,
        "table": lambda: nn.Sequential(nn.Linear(20, 100), nn.ReLU(), nn.Linear(100, 2)),
    }  # fmt: skip
    net = nets[work.net]()
    return net.to(memory_format=torch.channels_last) if last else net


def torch_plain(work: Work, variant: str) -> list[float]:
    """A plain loop: rows gathered from whole tensors, Adam. `variant`: default, fused, last (channels-last), flush."""
    import torch
    from torch.nn import functional as F

    if "one" in variant:
        torch.set_num_threads(1)
    if "flush" in variant:
        torch.set_flush_denormal(True)
    x, y = (torch.from_numpy(part) for part in arrays(work))
    if work.net == "convnet":
        x = x.permute(0, 3, 1, 2).float() / 255
        if "last" in variant:
            x = x.contiguous(memory_format=torch.channels_last)
    elif work.net == "lstm":
        x = x.long()
    net = torch_net(work, last="last" in variant)
    optimizer = torch.optim.Adam(net.parameters(), **({"fused": True} if "fused" in variant else {}))
    times, start = [], time.perf_counter()
    for _ in range(work.epochs):
        began = time.perf_counter()
        order = torch.randperm(work.rows)
        for first in range(0, work.rows, work.batch):
            rows = order[first : first + work.batch]
            out, goal = net(x[rows]), y[rows]
            if work.net == "dense":
                loss = F.mse_loss(out[:, 0], goal)
            elif work.net == "lstm":
                loss = F.binary_cross_entropy_with_logits(out[:, 0], goal.float())
            else:
                loss = F.cross_entropy(out, goal)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        times.append(time.perf_counter() - began)
    return [*times, time.perf_counter() - start]


def sklearn(work: Work, _: str) -> list[float]:
    """MLPClassifier, an epoch at a time (partial_fit does one)."""
    from sklearn.neural_network import MLPClassifier

    x, y = arrays(work)
    net = MLPClassifier((100,), batch_size=work.batch, alpha=0.0, random_state=0)
    times = []
    for _ in range(work.epochs):
        began = time.perf_counter()
        net.partial_fit(x, y, classes=np.unique(y))
        times.append(time.perf_counter() - began)
    return [*times, sum(times)]


def skorch(work: Work, _: str) -> list[float]:
    """skorch's NeuralNetClassifier with its own loader."""
    import torch
    from skorch import NeuralNetClassifier

    x, y = arrays(work)
    net = NeuralNetClassifier(
        torch_net(work), criterion=torch.nn.CrossEntropyLoss, optimizer=torch.optim.Adam, lr=0.001, max_epochs=work.epochs,
        batch_size=work.batch, train_split=None, verbose=0, iterator_train__shuffle=True,
    )  # fmt: skip
    began = time.perf_counter()
    net.fit(x, y)
    return [*net.history[:, "dur"], time.perf_counter() - began]


PEERS = {
    "keras+tensorflow": lambda work: keras(work, "tensorflow"),
    "keras+jax": lambda work: keras(work, "jax"),
    "keras+torch": lambda work: keras(work, "torch"),
    "pytorch": lambda work: torch_plain(work, "default"),
    "pytorch fused": lambda work: torch_plain(work, "fused one"),
    "pytorch fused flush": lambda work: torch_plain(work, "fused flush"),
    "pytorch last fused": lambda work: torch_plain(work, "last fused"),
    "scikit-learn": lambda work: sklearn(work, ""),
    "skorch": lambda work: skorch(work, ""),
}

if __name__ == "__main__":
    *times, total = PEERS[sys.argv[2]](WORK[sys.argv[1]])
    print(json.dumps({"epochs": times, "total": total}))
