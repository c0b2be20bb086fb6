import bz2
import gzip
import io
import lzma
import zipfile

import pytest

from dropnorm.errors import ArgumentError, DataError
from dropnorm.study.data.sources import decoding
from dropnorm.study.data.sources.decoding import read_content

TEXT = "name,x\nMüller,1\nGruß,2\n"


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "notice"),
    [
        (TEXT.encode(), ""),
        (TEXT.encode("utf-8-sig"), ""),
        (TEXT.encode("utf-16"), ""),
        (TEXT.encode("utf-32"), ""),
        (TEXT.encode("utf-16-le"), "read as UTF-16-LE, a guess from its zero bytes; --encoding names another"),
        (TEXT.encode("utf-16-be"), "read as UTF-16-BE, a guess from its zero bytes; --encoding names another"),
        (TEXT.encode("latin-1"), "read as Windows-1252, a guess since line 2 is not UTF-8; --encoding names another"),
        (gzip.compress(TEXT.encode()), ""),
        (bz2.compress(TEXT.encode()), ""),
        (lzma.compress(TEXT.encode()), ""),
        (zipped(data=TEXT.encode()), ""),
        (zipped(data=TEXT.encode(), **{"__MACOSX/data": b"x", ".DS_Store": b"x"}), ""),
        (gzip.compress(TEXT.encode("utf-16")), ""),
    ],
    ids=range(13),
)
def test_text_is_the_same_however_it_is_kept(content, notice, write):
    read = read_content(write(content))
    assert read.text.decode() == TEXT
    assert read.notices == ((notice,) if notice else ())


def test_an_encoding_that_is_given_is_taken_and_not_told(write):
    assert read_content(write("Łódź,1\n".encode("cp1250")), "cp1250").text.decode() == "Łódź,1\n"
    assert read_content(write(TEXT.encode("latin-1")), "latin-1").notices == ()


@pytest.mark.parametrize("name", ["nope", "rot13", "base64"])
def test_an_encoding_that_is_none(name, write, refuses):
    message = (
        f"encoding={name!r} is not known: expected the name of a text encoding, such as utf-8, latin-1 or utf-16. Leave it out "
        f"to have it guessed."
    )
    with refuses(ArgumentError, message):
        read_content(write(TEXT), name)


def test_an_encoding_that_the_text_is_not_of(write, refuses):
    path = write("a\nü\n".encode("latin-1"))
    message = (
        f"{path}, line 2: is not utf-8 (invalid start byte). Expected text of that encoding: name another with "
        f"--encoding."
    )
    with refuses(DataError, message):
        read_content(path, "utf-8")


def test_carriage_returns_alone_end_lines(write):
    assert read_content(write("a,b\r1,2\r")).text == b"a,b\n1,2\n"
    assert read_content(write("a,b\r\n1,2\r\n")).text == b"a,b\r\n1,2\r\n"


@pytest.mark.parametrize(
    ("content", "looks"),
    [
        (b"PAR1\0\0", "a Parquet file"),
        (b"ARROW1\0\0", "an Arrow file"),
        (b"\x89PNG\r\n", "a PNG image"),
        (b"%PDF-1.7", "a PDF document"),
        (b"SQLite format 3\0", "an SQLite database"),
        (b"\x80\x04\x95", "a pickle"),
        (b"  <!DOCTYPE HTML><html>", "a web page (HTML)"),
        (b"<html lang=en>", "a web page (HTML)"),
        (b"<?xml version='1.0'?>", "XML"),
        (b'{"a": 1}\n', "JSON"),
        (b'[{"a": 1}]', "JSON"),
        (b"[[1, 2]]", "JSON"),
    ],
)
def test_a_file_of_another_kind_is_called_what_it_looks_like(content, looks, write):
    with pytest.raises(
        DataError, match=rf"looks like {looks.replace('(', '.').replace(')', '.')}. Expected a table of text"
    ):
        read_content(write(content))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty. Expected a table: a header line with column names, and rows below it."),
        (b"\n \n", "the file is empty. Expected a table: a header line with column names, and rows below it."),
        (
            zipped(a=b"1", b=b"2"),
            "the archive holds 2 files: a, b. Expected one: unpack it, and name the file.",
        ),
        (
            zipped(**{"xl/workbook": b"1"}),
            "looks like a workbook. Expected text: name it with the ending .xlsx or .ods.",
        ),
        (
            gzip.compress(TEXT.encode() * 1000)[:-12],
            "cannot be read (Compressed file ended before the end-of-stream marker was reached). Expected a whole file: copy "
            "or compress it anew.",
        ),
    ],
    ids=range(5),
)
def test_what_holds_no_text(content, message, write, refuses):
    path = write(content)
    with refuses(DataError, f"{path}: {message}"):
        read_content(path)


@pytest.mark.parametrize("line", [2, 3000])
def test_a_line_that_is_not_utf8_among_others_is_numbered(line, write, refuses):
    lines = ["é,é".encode()] * 3001
    lines[line - 1] = b"\xff\xfe,2"
    path = write(b"\n".join(lines))
    message = (
        f"{path}, line {line}: is not UTF-8 there (invalid start byte), though other lines are. Expected one encoding: save "
        f"the file as UTF-8, or name another with --encoding."
    )
    with refuses(DataError, message):
        read_content(path)


def test_a_letter_that_is_cut_off(write, refuses):
    path = write("a,b\n1,é".encode()[:-1])
    message = (
        f"{path}, line 2: ends within a letter, and so looks cut off. Expected whole UTF-8 text: copy the file anew."
    )
    with refuses(DataError, message):
        read_content(path)


def test_a_zero_byte(write, refuses):
    path = write(b"a,b\n1,\0\n")
    message = (
        f"{path}, line 2: holds a zero byte, and so looks like a binary file. Expected text: save the table as CSV, or name "
        f"its encoding with --encoding."
    )
    with refuses(DataError, message):
        read_content(path)


def test_a_line_longer_than_any_record(write, monkeypatch, refuses):
    monkeypatch.setattr(decoding, "LONGEST_LINE", 2**20)
    path = write("a,b\n1," + "x" * (2**20 + 1) + "\n")
    message = (
        f"{path}, line 2: is longer than 1 MB. Expected a row of a table in each line: end the lines with line breaks."
    )
    with refuses(DataError, message):
        read_content(path)


def test_a_compressed_file_larger_than_memory(write, monkeypatch):
    monkeypatch.setattr("dropnorm.study.memory.available_memory", lambda: 10**6)
    monkeypatch.setattr(decoding, "available_memory", lambda: 10**6)
    path = write(gzip.compress(b"1,2\n" * 1_000_000))
    with pytest.raises(DataError, match="decompressed so far takes"):
        read_content(path)
