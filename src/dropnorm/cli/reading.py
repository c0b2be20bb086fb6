"""The options of commands that read a file beside a study: how it is to be read."""

from typing import Annotated, Any, Literal

import typer

from dropnorm._options import options_of
from dropnorm.study.options import ColumnsOptions


def _option(name: str) -> Any:
    option = options_of(ColumnsOptions)[name]
    return typer.Option(option.flag, help=f"{option.summary}.", show_default=False)


Header = Annotated[Literal["auto", "yes", "no"], _option("header")]
Encoding = Annotated[str | None, _option("encoding")]
Separator = Annotated[str | None, _option("separator")]
Sheet = Annotated[str | None, _option("sheet")]
