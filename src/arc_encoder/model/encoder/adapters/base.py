"""What an adapter is: small weights beside the backbone's, trained in their place.

To add one: subclass `Adapter`, implement its three methods, and name the class in a YAML
file of `configs/model/encoder/adapter`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor
from transformers import PreTrainedModel


class Adapter(ABC):
    """Adds weights to a backbone and says what they amount to."""

    adds_weights: ClassVar[bool] = True

    @abstractmethod
    def attach(self, backbone: PreTrainedModel) -> None:
        """Add the weights to `backbone`, in place; called once, when the encoder is built and has its weights.

        Raises:
            ConfigError: settings that do not fit this backbone.
        """

    @abstractmethod
    def freeze_adapted(self, backbone: PreTrainedModel) -> None:
        """Take the gradient from those of the backbone's own weights that are not to be trained."""

    @abstractmethod
    def merged(self, backbone: PreTrainedModel) -> dict[str, Tensor]:
        """Weights of an ordinary backbone that computes the same, under its names; `backbone` stays as it is."""


class NoAdapter(Adapter):
    """The backbone's own weights are trained, the method's default."""

    adds_weights: ClassVar[bool] = False

    def attach(self, backbone: PreTrainedModel) -> None:
        """Nothing is added."""

    def freeze_adapted(self, backbone: PreTrainedModel) -> None:
        """Nothing is replaced."""

    def merged(self, backbone: PreTrainedModel) -> dict[str, Tensor]:
        return dict(backbone.state_dict())
