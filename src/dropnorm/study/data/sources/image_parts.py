"""Folders of images that are divided already: train, test and perhaps val, with the sub-folders of classes in each."""

from dataclasses import dataclass
from pathlib import Path

ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
_LEARNED, _VALIDATED, _TESTED = ("train", "training"), ("val", "valid", "validation"), ("test", "testing")


@dataclass(frozen=True)
class Parts:
    """The folders to learn from, that of the training part first, and those to test on."""

    learned: tuple[Path, ...]
    tested: tuple[Path, ...]


def parts_of(folder: Path) -> Parts | None:
    """The parts into which a folder is divided; None if its sub-folders are classes.

    They are parts if each has the name of one, there is one to train on beside another, and images lie in folders within.
    """
    found = [
        path
        for path in sorted(folder.iterdir())
        if path.is_dir() and not path.name.startswith(".") and _has_images(path)
    ]
    names = {path.name.lower(): path for path in found}
    if len(names) < 2 or not names.keys() <= {*_LEARNED, *_VALIDATED, *_TESTED}:
        return None
    train, validation, test = (
        tuple(names[name] for name in kind if name in names) for kind in (_LEARNED, _VALIDATED, _TESTED)
    )
    divided = all(_has_classes(path) for path in found)
    return Parts((*train, *validation), test) if len(train) == 1 and divided else None


def _has_images(folder: Path) -> bool:
    return any(path.suffix.lower() in ENDINGS for path in folder.rglob("*"))


def _has_classes(part: Path) -> bool:
    """Whether all images of a part lie in folders within it."""
    return not any(path.suffix.lower() in ENDINGS and path.is_file() for path in part.iterdir())
