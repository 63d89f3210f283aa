"""Exports: a run as another engine's files, proven equal before they stand there. One file each.

The folder is the registry. An exporter gives `EXTRA` (what pip brings it), `TYPES` (stored types, the default first),
`refuse(model)` (why a run cannot be held, or None), `write(model, folder, stored)` and `load(folder)`, which returns the
other engine as a `Side`, so that the parity gate can compare.
"""

HELPERS = ("llama", "parity", "side")
