"""Every public error type, and the one warning.

Each error is a `DropnormError` and one of Python's own ValueError, TypeError, RuntimeError.

A message has three parts: what was given (`name=value`), what is allowed, what to do next.
"""


class DropnormError(Exception):
    """Base class of every error that dropnorm raises on purpose."""


class ArgumentError(DropnormError, ValueError):
    """An argument has the right type and a value that is not allowed."""


class ArgumentTypeError(DropnormError, TypeError):
    """An argument has a type that is not allowed."""


class ShapeError(DropnormError, ValueError):
    """A tensor has a shape, or a dtype, that the layer or operation does not take."""


class NonFiniteError(DropnormError, ValueError):
    """A training batch holds NaN or infinity, and the layer's policy is `nonfinite="raise"`."""


class SingletonError(DropnormError, ValueError):
    """A training batch has fewer than two values per channel, so that it has no variance."""


class DataError(DropnormError, ValueError):
    """A data file, table or column cannot be studied as it is."""


class NewDataWarning(UserWarning):
    """Data to predict is unlike the data that was learned from: unknown categories, numbers far beyond all known, or gaps."""


class StorageError(DropnormError, RuntimeError):
    """What a study has found cannot be written any more: the disk is full, or no longer there. What was finished is kept."""


class RunError(DropnormError, RuntimeError):
    """A run's folder is missing, incomplete, from a newer version, or holds another study."""


class SurgeryError(DropnormError, RuntimeError):
    """A model cannot be changed as asked without harm."""


class UserCodeError(DropnormError, RuntimeError):
    """Code of the user, such as a factory or a library that the factory imports, calls sys.exit or raises no Exception."""


class RecomputationError(DropnormError, RuntimeError):
    """A forward pass that a backward pass repeats asks for a seed's key, which has moved on since."""


class ExtraError(DropnormError, RuntimeError):
    """A package is asked for that comes with an extra of dropnorm, such as `dropnorm[onnx]`, and is not installed."""
