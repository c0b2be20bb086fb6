"""A finished run drawn: tables and figures as data, their drawing, and one page of HTML."""

from dropnorm.report.html import write_report

__all__ = ["write_report"]
