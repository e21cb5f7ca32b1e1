"""What was measured on other machines: the recorded rows of `benchmarks/bench.py`, as they come with the package."""

import json
from pathlib import Path

__all__ = ["row", "rows", "shown", "where"]

RESULTS = Path(__file__).parent / "results"


def rows(folder=RESULTS):
    """All recorded rows: dicts with `name`, `value`, `unit`, `device`, `versions`, `date`, `command`."""
    return [one for path in sorted(Path(folder).glob("*.json")) for one in json.loads(path.read_text(encoding="utf-8"))]


def row(name, device="", folder=RESULTS):
    """The first row called `name` of a device whose name contains `device`; None where it is not yet measured."""
    found = (one for one in rows(folder) if one["name"] == name and device.lower() in one["device"].lower())
    return next(found, None)


def shown(name, device="", folder=RESULTS):
    """Such a row in words: "380,119 images/s (NVIDIA H100, 2026-11-23)", or "not yet measured".

    A row that is `stale` was measured with an earlier version of the engine or the recipe, and says so.
    """
    found = row(name, device, folder)
    if found is None or found["value"] is None:
        return "not yet measured" if found is None else found["unit"]
    return f"{found['value']:,} {found['unit']} ({where(found)})"


def where(found):
    """The device and the date of a row in words: "NVIDIA H100, 2026-11-23"."""
    return f"{found['device']}, {found['date']}" + (", with an earlier version" if "stale" in found else "")
