"""Kinds: what a column holds. One file each: its settings, how it is recognised, fitted, encoded and decoded. No torch."""

HELPERS = ("base", "facts", "infer", "language", "parse", "prompting", "tokenizing", "values", "words", "written")
