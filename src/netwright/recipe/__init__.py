"""The recipe: the whole declaration of a network, as types (`types`) and as a YAML file (`files`)."""

from netwright.recipe.types import Execution, Names, Read, Recipe, Settings, Split, Training, Trust, validate

__all__ = ["Execution", "Names", "Read", "Recipe", "Settings", "Split", "Training", "Trust", "validate"]
