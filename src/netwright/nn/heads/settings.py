"""What every head declares without torch: which kinds of target it answers, its settings, and how it is measured."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from netwright.recipe import Settings


class HeadSettings(Settings):
    """A head's settings. `answers`: the kinds of target it can answer."""

    answers: ClassVar[tuple[str, ...]]
    share: float = Field(default=1.0, ge=0, description="weight of this target's loss in the sum over targets")
    teacher_share: float = Field(
        default=0.7,
        ge=0,
        le=1,
        description="weight of the distillation loss, if there is a teacher",
    )
