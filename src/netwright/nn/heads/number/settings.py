"""A number answered by one value."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from netwright.nn.heads.settings import HeadSettings


class Settings(HeadSettings):
    """Settings of the number head."""

    answers: ClassVar[tuple[str, ...]] = ("number",)
    head: Literal["number"] = "number"
    loss: Literal["mse", "mae", "huber"] = Field(
        default="mse", description="squared, absolute, or Huber's error, on the scaled target"
    )
    delta: float = Field(
        default=1.0,
        gt=0,
        description="Huber's threshold between squared and linear error, in standard deviations of the target",
    )
