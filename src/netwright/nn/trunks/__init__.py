"""Trunks: the families of networks. One folder each: `settings.py` (no torch) and `net.py`."""

HELPERS = ("adapting", "narrow", "base", "cells", "family", "fusion")
