"""Take a student out of what is published, whatever the warehouse holds by now."""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb

from trackline.publish.candidate import copy_without_student
from trackline.publish.exports import export_tables
from trackline.publish.versions import DistrictFolder, publisher_lock
from trackline.publish.warehouse import require_district_id
from trackline.settings import RefusedError, Settings

__all__ = ["forget_published_student"]


def forget_published_student(
    settings: Settings, district_id: str, student_id: str
) -> bool:
    """Replace the current version by one without the student, and drop all older.

    Works from the published files alone, so for held, disabled and removed districts
    too. Sums over students stay until the next publication; they name nobody.

    Parameters
    ----------
    settings : Settings
        Where the serve folder is.
    district_id : str
        The district.
    student_id : str
        The id as published (the pseudonym, where a key is set).

    Returns
    -------
    bool
        Whether the current version named the student.

    Raises
    ------
    RefusedError
        If another publisher is at work, or the files cannot be written.
    """
    name = require_district_id(district_id)
    with publisher_lock(settings.serve):
        folder = DistrictFolder(settings.serve, name)
        if not folder.path.is_dir():
            return False
        try:
            return _forget(folder, student_id)
        except (duckdb.Error, OSError) as error:
            raise RefusedError(
                f"the published files of {name} still name the student: {error}"
            ) from None
        finally:
            folder.sweep()


def _forget(folder: DistrictFolder, student_id: str) -> bool:
    folder.sweep()
    current, _ = folder.recover()
    if current is None:
        return False
    now = datetime.now(UTC)
    version = folder.next_version(now)
    new = folder.new_database(version)
    row_counts, fingerprint = copy_without_student(
        folder.path / current["duckdb"], student_id, new
    )
    found = row_counts != current["row_counts"]
    if found:
        export_tables(new, folder.new_folder(version))
        kept = ("schema_version", "district_id", "as_of", "approved")
        about = {key: current[key] for key in kept if key in current}
        folder.commit(
            version,
            about
            | {
                "published_at": now.isoformat(timespec="seconds"),
                "fingerprint": fingerprint,
                "row_counts": row_counts,
            },
        )
    folder.drop_all_but(version if found else current["version"])
    return found
