"""Export: a run as another engine's files, which stand only once they are proven to give the same; verify: that proof again."""

from netwright.export.proven import export, verify

__all__ = ["export", "verify"]
