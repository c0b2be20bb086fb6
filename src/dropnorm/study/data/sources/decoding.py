"""A file's bytes as UTF-8 text: decompressed, decoded, and refused where they are something else than a table of text."""

import bz2
import codecs
import gzip
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from dropnorm.errors import ArgumentError, DataError
from dropnorm.study.data.sources.table import listed
from dropnorm.study.memory import available_memory, check_fits

LONGEST_LINE = 16 * 2**20  # bytes; the longest record that any table of text is expected to have
_BLOCK = 8 * 2**20
_SAMPLE = 4096
_COPIES = 3  # of a file's size: its bytes, its text, and its table
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_COMPRESSED: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
_BINARY = (
    (b"PAR1", "a Parquet file", "Name it with the ending .parquet."),
    (b"ARROW1", "an Arrow file", "Name it with the ending .arrow."),
    (b"\x93NUMPY", "a NumPy array", "Save it with numpy.savez, as X and y."),
    (b"\x89PNG", "a PNG image", "Images are read from a folder with one sub-folder per class."),
    (b"\xff\xd8\xff", "a JPEG image", "Images are read from a folder with one sub-folder per class."),
    (b"GIF8", "a GIF image", "Images are read from a folder with one sub-folder per class."),
    (b"%PDF", "a PDF document", "Export the table in it as CSV."),
    (b"\x89HDF", "an HDF5 file", "Convert it to Parquet or CSV."),
    (b"SQLite format 3", "an SQLite database", "Export the table in it as CSV."),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls)", "Save it as .xlsx or CSV."),
    (b"\x7fELF", "a program", "Name the file that holds the table."),
    (b"PK\x03\x04", "a ZIP archive", "Name a workbook with the ending .xlsx or .ods, and NumPy's arrays with .npz."),
    (
        b"\x80\x04",
        "a pickle",
        "Save the table in it as Parquet or CSV: pickles are never opened, as they can run code.",
    ),
    (
        b"\x80\x05",
        "a pickle",
        "Save the table in it as Parquet or CSV: pickles are never opened, as they can run code.",
    ),
)
_MARKED_UP = (
    (
        re.compile(rb"\s*<(!doctype html|html|head|body)", re.IGNORECASE),
        "a web page (HTML)",
        "Download the file itself.",
    ),
    (re.compile(rb"\s*<\?xml", re.IGNORECASE), "XML", "Export the table in it as CSV."),
    (re.compile(rb"\s*\{\\rtf"), "a text document (RTF)", "Save the table in it as CSV."),
)
_JSON = re.compile(rb"\s*(\{\s*\"|\[\s*[\[{])")
# What decompressors raise over damaged files.
_DAMAGES = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError, NotImplementedError)


@dataclass(frozen=True)
class Content:
    """The text of a file in UTF-8, with LF or CRLF at the ends of its lines, and what is to be told of how it was read."""

    text: bytes
    notices: tuple[str, ...] = ()


def read_content(path: Path, encoding: str | None = None, *, json: bool = False) -> Content:
    """Read a file of text, compressed or not.

    Args:        encoding: its encoding, by a name that Python knows; None guesses; json: whether it shall hold JSON.
    Raises:      DataError that says what the file looks like, where it is no text, or names the line that is damaged.
    """
    raw = _decompressed(path)
    if encoding is None:
        _check_text(path, raw, json=json)
    content = _decoded(path, raw, encoding)
    del raw
    if not content.text or content.text.isspace():
        raise DataError(
            f"{path}: the file is empty. Expected a table: a header line with column names, and rows below it."
        )
    if encoding is not None:
        _check_text(path, content.text, json=json)
    if b"\n" not in content.text:
        content = Content(content.text.replace(b"\r", b"\n"), content.notices)
    _check_lines(path, content.text)
    return content


def _decompressed(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            head = file.read(_SAMPLE)
        opened = next((opens for magic, opens in _COMPRESSED.items() if head.startswith(magic)), None)
        if opened is not None:
            with opened(path) as stream:
                return _read(path, stream)
        if head.startswith(b"PK\x03\x04") and zipfile.is_zipfile(path):
            return _only_member(path)
        check_fits(path, "the file, and its table beside it", _COPIES * path.stat().st_size)
        return path.read_bytes()
    except _DAMAGES as error:
        reason = str(error) or type(error).__name__
        raise DataError(
            f"{path}: cannot be read ({reason}). Expected a whole file: copy or compress it anew."
        ) from error


def _read(path: Path, stream: IO[bytes]) -> bytes:
    """What a compressed file holds, whose size nobody knows before."""
    room, blocks, size = available_memory(), [], 0
    while block := stream.read(_BLOCK):
        blocks.append(block)
        size += len(block)
        if room is not None and _COPIES * size > room:
            check_fits(path, f"its content, {size / 1e9:,.1f} GB decompressed so far", _COPIES * size)
    return b"".join(blocks)


def _only_member(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        names = [one.filename for one in archive.infolist() if not one.is_dir()]
        if any(name.startswith(("xl/", "content.xml", "[Content_Types]")) for name in names):
            raise DataError(f"{path}: looks like a workbook. Expected text: name it with the ending .xlsx or .ods.")
        if any(name.endswith(".npy") for name in names):
            raise DataError(f"{path}: looks like NumPy's arrays. Expected text: name it with the ending .npz.")
        members = [name for name in names if not name.startswith("__MACOSX/") and not Path(name).name.startswith(".")]
        if len(members) != 1:
            raise DataError(
                f"{path}: the archive holds {len(members)} files{f': {listed(members, 5)}' if members else ''}. Expected one: "
                f"unpack it, and name the file."
            )
        with archive.open(members[0]) as stream:
            return _read(path, stream)


def looks_like(path: Path) -> str:
    """What a file that cannot be read looks like, as a sentence with what to do; nothing where nobody knows."""
    with path.open("rb") as file:
        kinds = _kinds(file.read(_SAMPLE))
    return f"It looks like {kinds[0][0]}. {kinds[0][1]}" if kinds else ""


def _kinds(raw: bytes) -> list[tuple[str, str]]:
    """What the beginning of a file is known by, each with what to do."""
    head = raw[:_SAMPLE].removeprefix(codecs.BOM_UTF8)
    kinds = [(kind, remedy) for magic, kind, remedy in _BINARY if head.startswith(magic)]
    kinds += [(kind, remedy) for pattern, kind, remedy in _MARKED_UP if pattern.match(head)]
    if raw[257:262] == b"ustar":
        kinds.append(("a TAR archive", "Unpack it, and name the file."))
    if _JSON.match(head):
        kinds.append(("JSON", "Name it with the ending .jsonl, if each line is an object, or .json."))
    return kinds


def _check_text(path: Path, raw: bytes, *, json: bool) -> None:
    kinds = [(kind, remedy) for kind, remedy in _kinds(raw) if not (json and kind == "JSON")]
    if kinds:
        kind, remedy = kinds[0]
        raise DataError(f"{path}: looks like {kind}. Expected a table of text, such as CSV. {remedy}")


def _decoded(path: Path, raw: bytes, encoding: str | None) -> Content:
    if encoding is not None:
        return Content(_decode(path, raw, encoding))
    marked = next((name for mark, name in _MARKS if raw.startswith(mark)), None)
    if marked == "utf-8-sig":
        raw, marked = raw.removeprefix(codecs.BOM_UTF8), None
    if marked is not None:
        return Content(_decode(path, raw, marked))
    if wide := _utf_16(raw):
        told = f"read as {wide.upper()}, a guess from its zero bytes; --encoding names another"
        return Content(_decode(path, raw, wide), (told,))
    if b"\0" in raw:
        line = raw.count(b"\n", 0, raw.index(b"\0")) + 1
        raise DataError(
            f"{path}, line {line}: holds a zero byte, and so looks like a binary file. Expected text: save the table as CSV, "
            f"or name its encoding with --encoding."
        )
    if raw.isascii():
        return Content(raw)
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return _guessed(path, raw, error)
    return Content(raw)


def _guessed(path: Path, raw: bytes, error: UnicodeDecodeError) -> Content:
    """Text that is not UTF-8: of Windows or Latin-1, unless most of its letters beyond ASCII are UTF-8."""
    line = raw.count(b"\n", 0, error.start) + 1
    right = sum(ord(letter) > 127 for letter in raw.decode("utf-8", errors="ignore"))
    wrong = raw.decode("utf-8", errors="replace").count("\N{REPLACEMENT CHARACTER}")
    if error.start >= len(raw) - 3:
        raise DataError(
            f"{path}, line {line}: ends within a letter, and so looks cut off. Expected whole UTF-8 text: copy the file anew."
        )
    if right >= wrong:
        raise DataError(
            f"{path}, line {line}: is not UTF-8 there ({error.reason}), though other lines are. Expected one encoding: save "
            f"the file as UTF-8, or name another with --encoding."
        )
    name = "cp1252"
    try:
        text = raw.decode(name)
    except UnicodeDecodeError:
        name = "latin-1"
        text = raw.decode(name)
    shown = {"cp1252": "Windows-1252", "latin-1": "Latin-1"}[name]
    return Content(
        text.encode(), (f"read as {shown}, a guess since line {line} is not UTF-8; --encoding names another",)
    )


def _decode(path: Path, raw: bytes, encoding: str) -> bytes:
    try:
        return raw.decode(encoding).removeprefix("\ufeff").encode()
    except LookupError as error:
        raise ArgumentError(
            f"encoding={encoding!r} is not known: expected the name of a text encoding, such as utf-8, latin-1 or utf-16. "
            f"Leave it out to have it guessed."
        ) from error
    except UnicodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1 if isinstance(error, UnicodeDecodeError) else 0
        place = f", line {line}" if line else ""
        reason = getattr(error, "reason", str(error))
        raise DataError(
            f"{path}{place}: is not {encoding} ({reason}). Expected text of that encoding: name another with --encoding."
        ) from error


def _utf_16(raw: bytes) -> str | None:
    """UTF-16 without a mark at its beginning: every other byte of what is mostly ASCII is zero."""
    head = raw[:_SAMPLE]
    if len(head) < 4 or len(raw) % 2:
        return None
    even, odd = head[::2].count(0) / len(head[::2]), head[1::2].count(0) / len(head[1::2])
    if max(even, odd) < 0.6 or min(even, odd) > 0.05:
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _check_lines(path: Path, text: bytes) -> None:
    """Refuse a line that no record of a table is as long as, before a reader takes it apart."""
    start = 0
    while start + LONGEST_LINE < len(text):
        end = text.rfind(b"\n", start, start + LONGEST_LINE)
        if end < 0:
            line = text.count(b"\n", 0, start) + 1
            raise DataError(
                f"{path}, line {line}: is longer than {LONGEST_LINE // 2**20} MB. Expected a row of a table in each line: "
                f"end the lines with line breaks."
            )
        start = end + 1
