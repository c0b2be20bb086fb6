"""What a run or a study file names is called only where the user has said so: a name is data, and calling it runs code."""

from pathlib import Path

from dropnorm.errors import RunError


def check_trusted(source: str | Path, factory: str, *, trust: bool) -> None:
    """Refuse to call a function that a file names, unless the user trusts it.

    Args:        source: the file; factory: module:function, as the file has it.
    Raises:      RunError that names the file and the function.
    """
    if not trust:
        raise RunError(
            f"{source}: names the function {factory!r}, which makes its nets and would be imported and called: expected nets "
            f"of dropnorm's own, or a function that you trust. Read that function first, then allow it with --trust "
            f"(trust=True in Python)."
        )
