"""What is measured: one file and one entry of configs/bench_all.yaml each."""

from arc_encoder.tools.bench.suite.parts.attention import Attention
from arc_encoder.tools.bench.suite.parts.encoder import EncoderSpeed
from arc_encoder.tools.bench.suite.parts.first_token import FirstToken
from arc_encoder.tools.bench.suite.parts.generation import Generation
from arc_encoder.tools.bench.suite.parts.loop import TrainingLoop
from arc_encoder.tools.bench.suite.parts.starting import Starting
from arc_encoder.tools.bench.suite.parts.training_step import TrainingStep

__all__ = ["Attention", "EncoderSpeed", "FirstToken", "Generation", "Starting", "TrainingLoop", "TrainingStep"]
