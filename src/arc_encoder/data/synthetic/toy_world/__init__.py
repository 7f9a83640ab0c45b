"""An invented world in which every task of the method has a small, honest instance."""

from arc_encoder.data.synthetic.toy_world.world import ToyDocument, ToyQuestion, ToyWorld

__all__ = ["ToyDocument", "ToyQuestion", "ToyWorld"]
