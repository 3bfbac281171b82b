"""Reads a configuration file, with a limit of its size. Errors of the operating system end here, in one sentence."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from services.env_files import document
from services.env_files.document import Document, UnreadableSource


def read_bytes(path: Path) -> bytes:
    """A configuration file's content. Raises UnreadableSource with a sentence that says what to do."""
    try:
        # Not blocking: a pipe that somebody put in the file's place must not hold the reader for ever.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise UnreadableSource(f"{path} is not a regular file. Name an env file.")
            data = stream.read(document.MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise UnreadableSource(f"{path} does not exist. Check the path, or make it with bootstrap.") from error
    except IsADirectoryError as error:
        raise UnreadableSource(f"{path} is a folder. Name an env file.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "the path is not valid"
        raise UnreadableSource(f"{path} can't be read ({reason}). Check path and permissions.") from error
    if len(data) > document.MAX_BYTES:
        raise UnreadableSource(f"{path} is larger than {document.MAX_BYTES >> 20} MiB: that is no env file.")
    return data


def read_file(path: Path) -> Document:
    """An env file, or a hosting platform's JSON export. Raises UnreadableSource."""
    return document.read_any(read_bytes(path), path.name)
