def instruction_sets() -> list[str]: ...
def dropout(
    instruction_set: str,
    x: int,
    y: int,
    dtype: int,
    rows: int,
    columns: int,
    inner: int,
    keys: int,
    thresholds: list[int],
    scales: list[float],
    site: int,
    row: int,
    threads: int,
    /,
) -> None: ...
