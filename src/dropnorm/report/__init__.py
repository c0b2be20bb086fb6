"""A finished run drawn: tables and figures as data, their drawing, and one page of HTML."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dropnorm.report.html import write_report

__all__ = ["write_report"]


def __getattr__(name: str) -> Any:
    """Tables alone are printed without loading what draws the page."""
    if name == "write_report":
        from dropnorm.report.html import write_report

        return write_report
    raise AttributeError(f"module 'dropnorm.report' has no attribute {name!r}")
