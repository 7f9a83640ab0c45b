"""Public data sets → the project's records: origins (where rows come from), conversions (one a file), recipes."""

from arc_encoder.tools.preparation.conversion import Conversion, LeftOut
from arc_encoder.tools.preparation.origin import HubOrigin, Origin
from arc_encoder.tools.preparation.recipe import Job, Recipe

__all__ = ["Conversion", "HubOrigin", "Job", "LeftOut", "Origin", "Recipe"]
