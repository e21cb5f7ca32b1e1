"""Files that a run starts again from: written whole or not at all, and read without running any code."""

import os
from pathlib import Path

import torch

__all__ = ["read", "writable", "write"]

FULL = ("write failed", "unexpected pos", "failed writing")  # in the words of torch's writer

FIX = "delete it to begin anew, or give this run another file"


def write(path, state):
    """Write `state` (tensors, numbers, lists and dicts of them) to `path`: the whole new file, or the old one stays.

    Raises
        OSError: the folder can't be written, or the disk is full.
    """
    partial = Path(f"{path}.partial")
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except (OSError, RuntimeError) as error:  # torch's writer says by a RuntimeError that the disk is full
        partial.unlink(missing_ok=True)
        if isinstance(error, RuntimeError) and not any(words in str(error) for words in FULL):
            raise
        raise _cannot_write(path, error) from error


def writable(path):
    """Raise the `OSError` now that `write` would raise after the first epoch."""
    probe = Path(f"{path}.partial")
    try:
        if Path(path).is_dir():
            raise IsADirectoryError("it is a folder")
        probe.parent.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise _cannot_write(path, error) from error


def read(path, settings):
    """The state that `write` wrote to `path`.

    Raises
        ValueError: no checkpoint, damaged, or of a run whose `settings` were others.
    """
    try:
        with Path(path).open("rb") as file:
            try:
                state = torch.load(file, weights_only=True, map_location="cpu")
            except OSError as error:  # the file opens, and ends too early
                raise EOFError from error
        changed = [f"{name} {old!r} (now {settings.get(name)!r})"
                   for name, old in state["settings"].items() if old != settings.get(name)]
    except OSError:
        raise
    except Exception as error:  # what is no checkpoint may fail to load in any way
        raise ValueError(f"checkpoint {path} is damaged or no checkpoint: {FIX}") from error
    if changed:
        raise ValueError(f"checkpoint {path} is of a run with other settings, {', '.join(changed)}: {FIX}")
    return state


def _cannot_write(path, error):
    kept = "the one written before is untouched" if Path(path).exists() else "nothing was written"
    return OSError(f"cannot write checkpoint {path} ({error}): free some space there or give this run another folder; "
                   f"{kept}")
