"""Scripts for the upkeep of this project: they are no part of the package."""
