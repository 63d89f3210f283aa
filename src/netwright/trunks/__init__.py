"""Trunks: the families of networks. One folder each: `settings.py` (no torch) and `net.py`."""

HELPERS = ("adapting", "base", "cells", "family", "fusion")
