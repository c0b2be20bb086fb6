"""What a file says of its size, compared with memory before anything of that size is read."""

from pathlib import Path

from dropnorm.errors import DataError

_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def available_memory() -> int | None:
    """How many bytes can still be taken, of the machine and of the container; None where neither says so."""
    known = [limit for path in _LIMITS if (limit := _number(path)) is not None]
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        known += [1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
    except (OSError, ValueError, IndexError):
        pass
    return min(known, default=None)


def check_fits(source: str | Path, what: str, needed: int, error: type[Exception] = DataError) -> None:
    """Refuse to read what does not fit in memory.

    Args:        source: the file; what: that takes the memory, such as "the array 'X'"; needed: in bytes, as the file says.
    Raises:      the error, by default DataError, that names both sizes.
    """
    room = available_memory()
    if room is not None and needed > room:
        raise error(
            f"{source}: {what} takes {_told(needed)} of memory, where {_told(room)} are free: expected what fits. Use fewer "
            f"rows, or a machine with more memory."
        )


def _number(path: str) -> int | None:
    try:
        return int(Path(path).read_text(encoding="ascii"))
    except (OSError, ValueError):  # there is no such limit, or it is "max"
        return None


def _told(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 5e7 else f"{size / 1e6:,.1f} MB"
