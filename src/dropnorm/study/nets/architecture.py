"""The shape of a study's nets, the same in every arm."""

import math
from itertools import pairwise

from dropnorm._record import Record
from dropnorm.errors import DataError
from dropnorm.study.data.encoding import Encoding, image_layout
from dropnorm.study.records import StudyConfig
from dropnorm.study.settings import ActivationName

KERNEL = 3
"""Height and width of every convolution, whose padding keeps the size of the image."""


class Architecture(Record):
    """A net: convolutions if `channels` has any, each followed by a pooling that halves the image; then dense layers."""

    features: int
    hidden: tuple[int, ...]
    outputs: int
    activation: ActivationName = "relu"
    image: tuple[int, int, int] | None = None  # channels, height, width of the features
    channels_last: bool = False  # whether the features are in the order of height, width, channels
    channels: tuple[int, ...] = ()

    @property
    def convolutions(self) -> tuple[tuple[int, int], ...]:
        """The channels into and out of each convolution."""
        return tuple(pairwise((self.image[0], *self.channels))) if self.image and self.channels else ()

    @property
    def images(self) -> tuple[tuple[int, int, int], ...]:
        """Channels, height and width before the first convolution and behind each pooling."""
        sizes = [self.image] if self.image else []
        for channels in self.channels:
            _, height, width = sizes[-1]
            sizes.append((channels, *((height // 2, width // 2) if min(height, width) > 1 else (height, width))))
        return tuple(sizes)

    @property
    def widths(self) -> tuple[int, ...]:
        """The units of every dense layer, from what it starts from to the outputs."""
        flat = math.prod(self.images[-1]) if self.convolutions else self.features
        return (flat, *self.hidden, self.outputs)

    @property
    def dropping_layers(self) -> int:
        """How many layers have an activation that may be dropped."""
        return len(self.convolutions) + len(self.hidden)

    @property
    def largest(self) -> int:
        """How many numbers a row is at its largest inside a net."""
        images = [
            channels * math.prod(before[1:]) for before, channels in zip(self.images, self.channels, strict=False)
        ]
        return max(self.features, *self.widths, *images)

    @property
    def identity(self) -> dict[str, str]:
        """What decides the nets beside the configuration."""
        return {}

    @property
    def parameters(self) -> int:
        """How many weights and biases a plain net has."""
        dense = sum(inputs * outputs + outputs for inputs, outputs in pairwise(self.widths))
        return dense + sum(inputs * outputs * KERNEL**2 + outputs for inputs, outputs in self.convolutions)


def shape_nets(encoding: Encoding, config: StudyConfig) -> Architecture:
    """The nets that a configuration asks for on data of this encoding.

    Raises:      DataError if the nets are convolutional and the data no images.
    """
    image, channels_last = image_of(encoding)
    if config.net == "conv" and image is None:
        raise DataError(
            "net='conv' needs images: expected a folder of images, or one array (rows, height, width) or with channels, and no "
            "columns beside it. Use net='dense'."
        )
    return Architecture(
        features=encoding.features,
        hidden=tuple(config.hidden),
        outputs=encoding.outputs,
        activation=config.activation,
        image=image,
        channels_last=channels_last,
        channels=tuple(config.channels) if config.net == "conv" else (),
    )


def image_of(encoding: Encoding) -> tuple[tuple[int, int, int] | None, bool]:
    """Channels, height and width if the features are one image, and whether its channels come last."""
    return image_layout(encoding.columns[0].shape) if len(encoding.columns) == 1 else (None, False)
