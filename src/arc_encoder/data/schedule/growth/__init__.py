"""How the pooling factor grows during training, one schedule a file."""

from arc_encoder.data.schedule.growth.base import FactorGrowth
from arc_encoder.data.schedule.growth.geometric import GeometricGrowth
from arc_encoder.data.schedule.growth.linear import LinearGrowth
from arc_encoder.data.schedule.growth.none import NoGrowth

__all__ = ["FactorGrowth", "GeometricGrowth", "LinearGrowth", "NoGrowth"]
