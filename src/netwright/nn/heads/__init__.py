"""Heads: what answers a target. One folder each: `settings.py` (no torch) and `net.py`."""

HELPERS = ("base", "settings")
