"""Export: a run as another engine's files, which stand only once they are proven to give the same."""

from netwright.export.proven import export

__all__ = ["export"]
