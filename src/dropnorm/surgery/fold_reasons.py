"""Why a batch norm is not folded into the layer beside it: the same reasons in every framework."""

NO_LAYER = "no {} stands alone before it or behind it."
SEVERAL_LAYERS = "it serves {}."
CALLED_ELSEWHERE = "{} is called at other places, too."
OTHER_NORM_CALL = "the forward of {} is another one than {}'s and ours."
OTHER_LAYER_CALL = "{} is a {}, whose forward is another one than {}'s."
OTHER_DIMENSION = "it normalizes another dimension than the features of {}."
TRANSPOSED = "{} is a transposed convolution, at whose borders the shift of the batch norm is another one."
PADS = "{} pads zeros, which the batch norm does not shift."
SAME_LAYER = "it is the same module as {}."


def best(reasons: list[str], no_layer: str) -> str:
    """The reason to tell: one about a layer that is there."""
    return next((reason for reason in reasons if reason != no_layer), no_layer)
