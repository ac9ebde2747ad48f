"""Zip files: written the same every time, read as a stranger's."""

from __future__ import annotations

import io
import posixpath
import stat
import zipfile
import zlib

from .limits import Limits

__all__ = ["ArchiveError", "pack", "unpack"]

MAX_FILES = 64
MAX_NAME = 200
UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
)
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class ArchiveError(ValueError):
    """The zip is refused: one sentence that says why."""


def pack(files: dict[str, bytes]) -> bytes:
    """Return a zip of the files: the same bytes for the same files."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            about = zipfile.ZipInfo(name)  # dated 1980
            about.external_attr = 0o644 << 16
            archive.writestr(about, files[name], zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def unpack(packed: bytes, limits: Limits) -> dict[str, bytes]:
    """Return the files of a zip, in memory; nothing is written anywhere.

    Raises
    ------
    ArchiveError
        If it is no zip, is damaged or encrypted, names a path outside itself, a link
        or one file twice, or unpacks to more than the limits allow.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if len(entries) > MAX_FILES:
                raise ArchiveError(f"The zip has more than {MAX_FILES} files")
            for entry in entries:
                _check_entry(entry)
            if len({entry.filename for entry in entries}) < len(entries):
                raise ArchiveError("The zip names one file twice")
            total = sum(entry.file_size for entry in entries)
            allowed = min(limits.max_zip_bytes, len(packed) * limits.max_zip_ratio)
            if total > allowed:
                raise ArchiveError("The zip unpacks to more than is allowed")
            return {entry.filename: _content(archive, entry) for entry in entries}
    except ArchiveError:
        raise
    except UNREADABLE:
        raise ArchiveError("The file is no readable zip") from None


def _check_entry(entry: zipfile.ZipInfo) -> None:
    name = entry.filename
    inside = (
        0 < len(name) <= MAX_NAME
        and "\\" not in name
        and ":" not in name
        and name.isprintable()
        and not name.startswith("/")
        and posixpath.normpath(name) == name
        and not name.startswith("..")
    )
    if not inside:
        raise ArchiveError("The zip names a path that is not allowed")
    mode = entry.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise ArchiveError("The zip holds a link or special file")
    if entry.flag_bits & 0x1 or entry.compress_type not in METHODS:
        raise ArchiveError("The zip is encrypted or packed in an unusual way")


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    # the directory may lie about the size: never read more than it promises
    with archive.open(entry) as file:
        content = file.read(entry.file_size + 1)
    if len(content) != entry.file_size:
        raise ArchiveError("The zip is not what its directory says")
    return content
