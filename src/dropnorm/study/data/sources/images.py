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
from dropnorm.study.data.sources.image_parts import ENDINGS, Parts, parts_of
from dropnorm.study.data.sources.memory import array_column
from dropnorm.study.data.sources.table import Table, first_line, listed
from dropnorm.study.memory import check_fits

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
    images are passed over, and so are hidden ones. Of folders `train` and `test`, perhaps with a `val`, that have the
    sub-folders of classes within, the one is learned from and the other a test part.

    Args:        skip_broken: leave out broken images, and those of another size than most; labelled: to predict, images may
                 also lie in the folder itself; studied: the shape (channels, height, width) of the studied images, if
                 there are any: where they are in color, grey ones become so too.
    Raises:      DataError that names the images that are broken, of another size, or in color where the studied ones are
                 grey; or says what the folder lacks.
    """
    if labelled and (parts := parts_of(folder)) is not None:
        return _read_parts(folder, parts, skip_broken=skip_broken, studied=studied)
    paths = _paths(folder, labelled=labelled)
    names = [str(path.relative_to(folder)) for path in paths]
    pixels, kept = read_pixels(paths, names, folder, skip_broken=skip_broken, studied=studied)
    frame = pl.DataFrame([array_column(IMAGE, pixels)])
    files = tuple(names[number] for number in kept)
    if labelled:
        frame = frame.with_columns(pl.Series(TARGET, [Path(name).parts[0] for name in files]))
    return Table(frame, target=TARGET if labelled else None, files=files, skipped=len(names) - len(files))


def _read_parts(folder: Path, parts: Parts, *, skip_broken: bool, studied: tuple[int, ...]) -> Table:
    """The images of a part to learn from, of one to validate on among them, and of one to test on."""
    paths = {part: _paths(part, labelled=True) for part in (*parts.learned, *parts.tested)}
    classes = {part: {path.relative_to(part).parts[0] for path in own} for part, own in paths.items()}
    for part, own in classes.items():
        if own != classes[parts.learned[0]]:
            odd = sorted(own.symmetric_difference(classes[parts.learned[0]]))
            raise DataError(
                f"{folder}: the classes of {part.name} and {parts.learned[0].name} differ in {listed(odd, 5)}. Expected the "
                f"same sub-folders in each part: add or remove these."
            )
    every = [path for own in paths.values() for path in own]
    names = [str(path.relative_to(folder)) for path in every]
    pixels, kept = read_pixels(every, names, folder, skip_broken=skip_broken, studied=studied)
    files = [names[number] for number in kept]
    frame = pl.DataFrame([array_column(IMAGE, pixels), pl.Series(TARGET, [Path(name).parts[1] for name in files])])
    tested = pl.Series([folder / Path(name).parts[0] in parts.tested for name in files])
    learned = frame.filter(~tested)
    if len(parts.learned) > 1:
        joined = ", ".join(part.name for part in parts.learned[1:])
        notice = (
            f"the images of {joined} are among those to learn from, as each seed draws a validation part of its own"
        )
    return Table(
        learned,
        target=TARGET,
        test=frame.filter(tested) if parts.tested else None,
        files=tuple(name for name, is_tested in zip(files, tested, strict=True) if not is_tested),
        skipped=len(names) - len(files),
        notices=(notice,) if len(parts.learned) > 1 else (),
    )


def read_pixels(
    paths: Sequence[Path], names: Sequence[str], where: Path, *, skip_broken: bool, studied: tuple[int, ...]
) -> tuple[np.ndarray, list[int]]:
    """The pixels of images (rows, channels, height, width), and which of the images they are; see `read_images`.

    Args:        names: what the images are called in messages; where: that they all are from, to begin messages with.
    """
    check_fits(where, f"the table of its {len(paths):,} images", sum(map(_bytes_of, paths)))
    found = [_open(path, name) for path, name in zip(paths, names, strict=True)]
    whole = [image for image in found if not image.problem]
    sizes = Counter(image.pixels.shape[:2] for image in whole)
    broken = [f"{image.name} ({image.problem})" for image in found if image.problem]
    if broken and not (skip_broken and whole):
        raise DataError(f"{where}: {_counted(broken, found)} broken: {listed(broken, 5)}. {_SKIP}")
    size = studied[1:] or max(sizes, key=lambda one: (sizes[one], one))
    odd = [f"{image.name} ({_size(image.pixels)})" for image in whole if image.pixels.shape[:2] != size]
    if odd and not skip_broken:
        raise DataError(
            f"{where}: {_counted(odd, found)} of another size than the {size[1]} x {size[0]} of "
            f"{'the studied ones' if studied else 'most'}: {listed(odd, 5)}. Expected one size for all. "
            f"{_SKIP.replace('Mend', 'Scale')}"
        )
    kept = [number for number, image in enumerate(found) if not image.problem and image.pixels.shape[:2] == size]
    if not kept:
        raise DataError(f"{where}: no image is of {size[1]} x {size[0]} as the studied ones are. Scale or crop them.")
    colored = [found[number].name for number in kept if found[number].pixels.ndim == 3]
    if studied[:1] == (1,) and colored:
        raise DataError(
            f"{where}: {_counted(colored, found)} in color, where the studied ones are grey: "
            f"{listed(colored, 5)}. Expected grey ones: convert them (with Pillow, image.convert('L'))."
        )
    color = bool(colored) or studied[:1] == (3,)
    return np.stack([_channels(found[number].pixels, color=color) for number in kept]), kept


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
