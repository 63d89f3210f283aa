"""A category answered by logits and a softmax; two classes may be answered by one logit and a sigmoid."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from netwright.nn.heads.settings import HeadSettings


class Settings(HeadSettings):
    """Settings of the category head."""

    answers: ClassVar[tuple[str, ...]] = ("category",)
    head: Literal["category"] = "category"
    loss: Literal["cross_entropy", "binary_cross_entropy"] = Field(
        "cross_entropy", description="binary_cross_entropy: one sigmoid for two classes"
    )
    label_smoothing: float = Field(
        default=0.0, ge=0, lt=1, description="label smoothing: share of each label spread over all classes"
    )
    class_weights: Literal["none", "balanced"] = Field(
        default="none", description="balanced: classes have equal total weight"
    )
    teacher_temperature: float = Field(
        default=2.0,
        gt=0,
        description="distillation temperature",
    )
