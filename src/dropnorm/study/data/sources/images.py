"""A folder of images with one sub-folder per class."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from dropnorm.errors import DataError
from dropnorm.study.data.sources.memory import array_column
from dropnorm.study.data.sources.table import Table, first_line, listed
from dropnorm.study.memory import check_fits

ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
# The readers of these, and no other, whatever a file's name: some start programs.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
IMAGE, TARGET = "image", "class"
_GREY, _COLOR = ("1", "L", "LA"), ("P", "RGB", "RGBA", "CMYK", "YCbCr")
_RGB = "RGB"
# Pillow's readers of the many formats end in these over damaged files.
_DAMAGES = (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError)
_SKIP = "Mend or remove them, or leave them out with --skip-broken (skip_broken=True in Python)."


@dataclass(frozen=True)
class _Found:
    """An image's pixels, or what is wrong with it."""

    name: str
    pixels: np.ndarray  # (height, width), or (height, width, 3)
    problem: str = ""


def read_images(
    folder: Path, *, skip_broken: bool = False, labelled: bool = True, studied: tuple[int, ...] = ()
) -> Table:
    """Read the images of a folder: a column of arrays (channels, height, width) of 8 bits, and the sub-folder as class.

    Grey if all images are, otherwise red, green, blue; transparency is ignored. Files with other endings than those of
    images are passed over, and so are hidden ones.

    Args:        skip_broken: leave out broken images, and those of another size than most; labelled: to predict, images may
                 also lie in the folder itself; studied: the shape (channels, height, width) of the studied images, if
                 there are any: where they are in color, grey ones become so too.
    Raises:      DataError that names the images that are broken, of another size, or in color where the studied ones are
                 grey; or says what the folder lacks.
    """
    paths = _paths(folder, labelled=labelled)
    check_fits(folder, f"the table of its {len(paths):,} images", sum(map(_bytes_of, paths)))
    found = [_open(path, str(path.relative_to(folder))) for path in paths]
    whole = [image for image in found if not image.problem]
    sizes = Counter(image.pixels.shape[:2] for image in whole)
    broken = [f"{image.name} ({image.problem})" for image in found if image.problem]
    if broken and not (skip_broken and whole):
        raise DataError(f"{folder}: {_counted(broken, found)} broken: {listed(broken, 5)}. {_SKIP}")
    size = studied[1:] or max(sizes, key=lambda one: (sizes[one], one))
    odd = [f"{image.name} ({_size(image.pixels)})" for image in whole if image.pixels.shape[:2] != size]
    if odd and not skip_broken:
        raise DataError(
            f"{folder}: {_counted(odd, found)} of another size than the {size[1]} x {size[0]} of "
            f"{'the studied ones' if studied else 'most'}: {listed(odd, 5)}. Expected one size for all. "
            f"{_SKIP.replace('Mend', 'Scale')}"
        )
    kept = [image for image in whole if image.pixels.shape[:2] == size]
    if not kept:
        raise DataError(f"{folder}: no image is of {size[1]} x {size[0]} as the studied ones are. Scale or crop them.")
    colored = [image.name for image in kept if image.pixels.ndim == 3]
    if studied[:1] == (1,) and colored:
        raise DataError(
            f"{folder}: {_counted(colored, found)} in color, where the studied ones are grey: "
            f"{listed(colored, 5)}. Expected grey ones: convert them (with Pillow, image.convert('L'))."
        )
    color = bool(colored) or studied[:1] == (3,)
    frame = pl.DataFrame([array_column(IMAGE, np.stack([_channels(image.pixels, color=color) for image in kept]))])
    if labelled:
        frame = frame.with_columns(pl.Series(TARGET, [Path(image.name).parts[0] for image in kept]))
    files = tuple(image.name for image in kept)
    return Table(frame, target=TARGET if labelled else None, files=files, skipped=len(found) - len(kept))


def image_shape(dtype: pl.DataType | None) -> tuple[int, ...]:
    """The shape (channels, height, width) of a column of images, if it is one."""
    shape = dtype.shape if isinstance(dtype, pl.Array) else ()
    return shape if len(shape) == 3 and shape[0] in (1, 3) else ()


def _paths(folder: Path, *, labelled: bool) -> list[Path]:
    """The images, by name; in sub-folders of the folder, at any depth, or in the folder itself too."""
    paths = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in ENDINGS
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    classes = {path.relative_to(folder).parts[0] for path in paths if path.parent != folder}
    wanted = "expected one sub-folder per class, with images in each" if labelled else "expected images"
    if not paths:
        raise DataError(f"{folder}: holds no image: {wanted}. Images end with {', '.join(ENDINGS)}.")
    loose = [path.name for path in paths if path.parent == folder]
    if labelled and loose:
        raise DataError(
            f"{folder}: {len(loose)} images lie beside the sub-folders: {listed(loose, 5)}. {wanted.capitalize()}: move them."
        )
    if labelled and len(classes) < 2:
        raise DataError(
            f"{folder}: only the sub-folder {min(classes)!r} holds images: {wanted}, and two or more of them."
        )
    return paths


def _bytes_of(path: Path) -> int:
    """How many bytes the pixels of an image take, as its header says; none where no header can be read."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            return math.prod(image.size) * (1 if image.mode in _GREY else len(_RGB))
    except _DAMAGES:
        return 0


def _open(path: Path, name: str) -> _Found:
    nothing = np.empty((0, 0), dtype=np.uint8)
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.mode not in _GREY + _COLOR:
                return _Found(name, nothing, f"pixels of mode {image.mode}, not of 8 bits")
            return _Found(name, np.asarray(image.convert("L" if image.mode in _GREY else _RGB)))
    except _DAMAGES as error:
        reason = "no image that can be read" if "cannot identify" in str(error) else first_line(error)
        return _Found(name, nothing, reason)


def _channels(pixels: np.ndarray, *, color: bool) -> np.ndarray:
    """Pixels as (channels, height, width), the order in which convolutions of torch take them."""
    if not color:
        return pixels[None]
    return np.repeat(pixels[None], 3, axis=0) if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _counted(images: Sequence[str], found: Sequence[_Found]) -> str:
    return f"{len(images)} of its {len(found)} images {'is' if len(images) == 1 else 'are'}"


def _size(pixels: np.ndarray) -> str:
    return f"{pixels.shape[1]} x {pixels.shape[0]}"
