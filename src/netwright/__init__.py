"""netwright trains a neural network on your own rows and lets you see through it.

>>> import netwright as nw
>>> sorted(name for name in nw.__all__)[:3]
['InputError', 'Model', 'Recipe']
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = [
    "InputError",
    "SamplingParams",
    "Model",
    "Recipe",
    "__version__",
    "evaluate",
    "export",
    "load",
    "predict",
    "report",
    "samples",
    "sklearn",
    "train",
]

if TYPE_CHECKING:
    from types import ModuleType

    from netwright.data import samples
    from netwright.errors import InputError
    from netwright.inference.model import Model, load
    from netwright.nn.heads.text.settings import SamplingParams
    from netwright.recipe import Recipe
    from netwright.verbs.evaluate import evaluate
    from netwright.verbs.export import export
    from netwright.verbs.predict import predict
    from netwright.verbs.report import report
    from netwright.verbs.train import train

    sklearn: ModuleType  # stands above the verbs, which import this file

_PLACES = {
    "InputError": "netwright.errors", "Model": "netwright.inference.model", "Recipe": "netwright.recipe", "load": "netwright.inference.model",
    "evaluate": "netwright.verbs.evaluate", "predict": "netwright.verbs.predict", "export": "netwright.verbs.export", "SamplingParams": "netwright.nn.heads.text.settings", "report": "netwright.verbs.report", "train": "netwright.verbs.train",
}  # fmt: skip
_MODULES = {"samples": "netwright.data.samples", "sklearn": "netwright.sklearn"}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `import netwright` itself is instant."""
    import importlib

    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    if name not in _PLACES:
        raise AttributeError(f"module 'netwright' has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(importlib.import_module(_PLACES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
