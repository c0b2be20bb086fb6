import os

import numpy as np
import polars as pl
import pytest
from PIL import Image

from dropnorm.errors import DataError
from dropnorm.study.data.sources.images import ENDINGS, image_shape, read_images

SKIP = "leave them out with --skip-broken (skip_broken=True in Python)."


def pixels(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture
def save(tmp_path):
    """Save an image of these pixels under a name with its sub-folder."""

    def image(name: str, array: np.ndarray, mode: str | None = None) -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        made = Image.fromarray(array)
        (made if mode is None else made.convert(mode)).save(path)

    return image


@pytest.fixture
def folder(save, tmp_path):
    """Three grey images of 5 x 4, of two classes."""
    for index, name in enumerate(("cat/0.png", "cat/1.bmp", "dog/0.png")):
        save(name, pixels(index, 4, 5))
    return tmp_path


def test_grey_images_have_one_channel_and_their_folder_as_class(folder):
    table = read_images(folder)
    assert (table.target, table.files, table.skipped) == ("class", ("cat/0.png", "cat/1.bmp", "dog/0.png"), 0)
    assert table.frame["class"].to_list() == ["cat", "cat", "dog"]
    assert table.frame["image"].dtype == pl.Array(pl.UInt8, (1, 4, 5))
    np.testing.assert_array_equal(table.frame["image"].to_numpy()[:, 0], [pixels(seed, 4, 5) for seed in range(3)])


def test_color_images_have_three_channels_in_front(save, tmp_path):
    color = pixels(0, 4, 5, 3)
    save("a/0.png", color)
    save("b/0.png", color[..., ::-1], "RGBA")
    images = read_images(tmp_path).frame["image"].to_numpy()
    np.testing.assert_array_equal(images[0], color.transpose(2, 0, 1))
    np.testing.assert_array_equal(images[1], color[..., ::-1].transpose(2, 0, 1))


def test_among_color_images_grey_ones_are_grey_in_three_channels(folder, save):
    save("dog/1.png", pixels(9, 4, 5, 3))
    images = read_images(folder).frame["image"].to_numpy()
    assert images.shape == (4, 3, 4, 5)
    for channel in range(3):
        np.testing.assert_array_equal(images[0, channel], pixels(0, 4, 5))


def test_folders_below_a_class_belong_to_it_and_other_files_are_passed_over(folder, save):
    save("dog/old/2.PNG", pixels(5, 4, 5))
    save("dog/.hidden.png", pixels(5, 9, 9))
    save(".cache/0.png", pixels(5, 9, 9))
    (folder / "cat" / "notes.txt").write_text("no image")
    table = read_images(folder)
    assert table.files[-1] == "dog/old/2.PNG"
    assert table.frame["class"].to_list() == ["cat", "cat", "dog", "dog"]


def test_to_predict_images_may_lie_anywhere(folder, save):
    save("9.png", pixels(7, 4, 5))
    table = read_images(folder, labelled=False)
    assert (table.files[0], table.frame.columns, table.target) == ("9.png", ["image"], None)


def test_a_broken_image_is_named_or_skipped(folder, refuses):
    (folder / "cat" / "text.png").write_text("no image")
    whole = (folder / "dog" / "0.png").read_bytes()
    (folder / "dog" / "cut.png").write_bytes(whole[: len(whole) // 2])
    message = (
        f"{folder}: 2 of its 5 images are broken: cat/text.png (no image that can be read), dog/cut.png (image file is "
        f"truncated). Mend or remove them, or {SKIP}"
    )
    with refuses(DataError, message):
        read_images(folder)
    table = read_images(folder, skip_broken=True)
    assert (table.files, table.skipped) == (("cat/0.png", "cat/1.bmp", "dog/0.png"), 2)
    assert table.frame["class"].to_list() == ["cat", "cat", "dog"]


def test_an_image_of_another_size_is_named_or_skipped(folder, save, refuses):
    save("cat/large.png", pixels(3, 8, 10))
    message = (
        f"{folder}: 1 of its 4 images is of another size than the 5 x 4 of most: cat/large.png (10 x 8). Expected one size "
        f"for all. Scale or remove them, or {SKIP}"
    )
    with refuses(DataError, message):
        read_images(folder)
    assert read_images(folder, skip_broken=True).skipped == 1


def test_an_image_of_more_than_8_bits(folder, refuses):
    Image.fromarray(np.full((4, 5), 40_000, dtype=np.uint16)).save(folder / "dog" / "deep.png")
    message = (
        f"{folder}: 1 of its 4 images is broken: dog/deep.png (pixels of mode I;16, not of 8 bits). Mend or remove them, or "
        f"{SKIP}"
    )
    with refuses(DataError, message):
        read_images(folder)


def test_of_many_broken_images_the_first_are_named(tmp_path, refuses):
    for index in range(6):
        (tmp_path / "ab"[index % 2]).mkdir(exist_ok=True)
        (tmp_path / "ab"[index % 2] / f"{index}.png").write_bytes(b"")
    named = ", ".join(f"{name}.png (no image that can be read)" for name in ("a/0", "a/2", "a/4", "b/1", "b/3"))
    message = f"{tmp_path}: 6 of its 6 images are broken: {named}, .... Mend or remove them, or {SKIP}"
    with refuses(DataError, message):
        read_images(tmp_path)
    with refuses(DataError, message):
        read_images(tmp_path, skip_broken=True)


ONE_EACH = "expected one sub-folder per class, with images in each"


def test_folders_that_are_none_of_images(tmp_path, save, refuses):
    with refuses(DataError, f"{tmp_path}: holds no image: {ONE_EACH}. Images end with {', '.join(ENDINGS)}."):
        read_images(tmp_path)
    with refuses(DataError, f"{tmp_path}: holds no image: expected images. Images end with {', '.join(ENDINGS)}."):
        read_images(tmp_path, labelled=False)
    save("a/0.png", pixels(0, 2, 2))
    with refuses(DataError, f"{tmp_path}: only the sub-folder 'a' holds images: {ONE_EACH}, and two or more of them."):
        read_images(tmp_path)
    save("loose.png", pixels(0, 2, 2))
    message = (
        f"{tmp_path}: 1 images lie beside the sub-folders: loose.png. Expected one sub-folder per class, with images in "
        f"each: move them."
    )
    with refuses(DataError, message):
        read_images(tmp_path)


def test_where_the_studied_images_were_colored_grey_ones_become_so(folder):
    images = read_images(folder, studied=(3, 4, 5)).frame["image"].to_numpy()
    assert images.shape == (3, 3, 4, 5)
    for channel in range(3):
        np.testing.assert_array_equal(images[2, channel], pixels(2, 4, 5))


def test_where_the_studied_images_were_grey_colored_ones_are_refused(folder, save, refuses):
    assert read_images(folder, studied=(1, 4, 5)).frame["image"].dtype == pl.Array(pl.UInt8, (1, 4, 5))
    save("dog/1.png", pixels(9, 4, 5, 3))
    message = (
        f"{folder}: 1 of its 4 images is in color, where the studied ones are grey: dog/1.png. Expected grey ones: convert "
        f"them (with Pillow, image.convert('L'))."
    )
    with refuses(DataError, message):
        read_images(folder, studied=(1, 4, 5))


def test_images_of_another_size_than_the_studied_ones(folder, save, refuses):
    save("dog/1.png", pixels(9, 2, 2))
    message = (
        f"{folder}: 3 of its 4 images are of another size than the 2 x 2 of the studied ones: cat/0.png (5 x 4), cat/1.bmp "
        f"(5 x 4), dog/0.png (5 x 4). Expected one size for all. Scale or remove them, or {SKIP}"
    )
    with refuses(DataError, message):
        read_images(folder, studied=(1, 2, 2))
    assert read_images(folder, studied=(1, 2, 2), skip_broken=True).files == ("dog/1.png",)
    with refuses(DataError, f"{folder}: no image is of 7 x 7 as the studied ones are. Scale or crop them."):
        read_images(folder, studied=(1, 7, 7), skip_broken=True)


@pytest.mark.parametrize(
    ("dtype", "shape"),
    [
        (pl.Array(pl.UInt8, (1, 4, 5)), (1, 4, 5)),
        (pl.Array(pl.UInt8, (3, 4, 5)), (3, 4, 5)),
        (pl.Array(pl.UInt8, (4, 5)), ()),
        (pl.Array(pl.UInt8, (2, 4, 5)), ()),
        (pl.Float64(), ()),
        (None, ()),
    ],
)
def test_the_shape_of_images_is_that_of_their_column(dtype, shape):
    assert image_shape(dtype) == shape


@pytest.mark.timeout(20)
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes with names")
def test_a_pipe_among_the_images_is_passed_over(tmp_path):
    for name in ("ant", "bee"):
        (tmp_path / name).mkdir()
        Image.new("L", (2, 2)).save(tmp_path / name / "0.png")
        os.mkfifo(tmp_path / name / "1.png")
    assert read_images(tmp_path).frame.height == 2


def test_images_that_do_not_fit_in_memory_are_refused_before_a_pixel_is_read(tmp_path, monkeypatch):
    for name in ("ant", "bee"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (300, 100)).save(tmp_path / name / "0.png")
    monkeypatch.setattr("dropnorm.study.memory.available_memory", lambda: 100_000)
    monkeypatch.setattr(np, "asarray", None)
    with pytest.raises(DataError, match=r"the table of its 2 images takes 0\.2 MB of memory, where 0\.1 MB are free"):
        read_images(tmp_path)
