"""Landing files with the same bytes and the same times whenever they are written."""

from __future__ import annotations

import gzip
import io
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["Delivery", "write"]


@dataclass(frozen=True)
class Delivery:
    """One file to be written into a district's landing folder.

    Attributes
    ----------
    path : str
        Path below the district's folder; its ending is the format.
    rows : DataFrame
        The content.
    modified_at : datetime
        The file's modification time: it is part of the landing contract.
    cut : float
        Share of the bytes that arrives; below 1 the file is unreadable.
    """

    path: str
    rows: pd.DataFrame
    modified_at: datetime
    cut: float = 1.0


def write(folder: Path, delivery: Delivery) -> Path:
    """Write the file under its name only when it is complete; return where it is."""
    path = folder / delivery.path
    path.parent.mkdir(parents=True, exist_ok=True)
    content = _bytes(delivery)
    unfinished = path.with_name(f".{path.name}.tmp")
    unfinished.write_bytes(content[: int(len(content) * delivery.cut)])
    at = delivery.modified_at.timestamp()
    os.utime(unfinished, (at, at))
    return unfinished.replace(path)


def _bytes(delivery: Delivery) -> bytes:
    if delivery.path.endswith(".parquet"):
        table = pa.Table.from_pandas(delivery.rows, preserve_index=False)
        content = io.BytesIO()
        # without pandas' metadata, which names the versions of this machine
        pq.write_table(table.replace_schema_metadata(None), content)
        return content.getvalue()
    text = delivery.rows.to_csv(index=False, lineterminator="\n").encode()
    # mtime 0: gzip would write the time of this run into the header
    return gzip.compress(text, mtime=0) if delivery.path.endswith(".gz") else text
