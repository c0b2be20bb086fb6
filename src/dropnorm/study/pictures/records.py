"""The records of what a report's pictures show of the study's own nets. Nothing here imports torch."""

from dropnorm._record import Record


class UnitInput(Record):
    """What reaches one hidden unit's activation after one epoch: percentiles over validation rows, in inference mode."""

    net: int
    epoch: int
    layer: int
    unit: int
    low: float
    median: float
    high: float


class LayerActivity(Record):
    """Which share of a hidden layer's outputs is not silent, over the units and validation rows of one finished net."""

    net: int
    layer: int
    active: float


class OutputHistogram(Record):
    """The outputs of a hidden layer of an arm's nets with one rate, over units, validation rows and seeds.

    `silent` is the share of outputs that are zero or nearly; `shares` those of the others between `edges`. What lies
    beyond the outermost edges is counted in the outermost bins, so that all shares add up to 1.
    """

    arm: str
    rate: float
    layer: int
    silent: float
    edges: tuple[float, ...]
    shares: tuple[float, ...]


class FeatureTiles(Record):
    """What training has added to the weights of the first units, or channels, of a net's first layer, each as an image.

    `pixels` are the bytes of (units, height, width, channels) in base64: 128 is no change, 1 and 255 a unit's largest ones.
    """

    arm: str
    rate: float
    units: int
    height: int
    width: int
    channels: int
    pixels: str


class MaskRows(Record):
    """A dropout's mask as the first training step of seed 0 drew it: a text per sample, `1` for a unit that is kept."""

    arm: str
    layer: int
    rate: float
    rows: tuple[str, ...]


class Pictures(Record):
    """What was measured in the finished nets."""

    activity: tuple[LayerActivity, ...] = ()
    histograms: tuple[OutputHistogram, ...] = ()
    features: tuple[FeatureTiles, ...] = ()
    masks: tuple[MaskRows, ...] = ()
