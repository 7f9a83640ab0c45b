"""Public data sets → the project's records: origins (where rows come from), conversions (one a file), recipes."""

from arc_encoder.data.prepare.conversion import Conversion, LeftOut
from arc_encoder.data.prepare.origin import HubOrigin, Origin
from arc_encoder.data.prepare.recipe import Job, Recipe

__all__ = ["Conversion", "HubOrigin", "Job", "LeftOut", "Origin", "Recipe"]
