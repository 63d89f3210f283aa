"""Stems: the torch side of a kind as an input. One file each, named like its kind."""

HELPERS = ("base",)
