"""Measures of conversations: those of written texts, over the assistants' words."""

from __future__ import annotations

from netwright.evaluation.metrics.text import HEADLINE, SELECTS, form, metrics

__all__ = ["HEADLINE", "SELECTS", "form", "metrics"]
