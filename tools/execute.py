"""Execute the derived notebooks once, and keep what they gave in `.executed/`.

chapters/*.ipynb -> .executed/chapters/*.ipynb (with outputs) and .executed/measured.json (claims, seconds, device).
A notebook runs again when its code, vae_lib (weights and claims included), the lock file, the kind of device or
the budget changed. Copies run, with nbmake, in a folder as deep as chapters/, so that relative paths mean the same.
"""

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version

import nbformat
from course import ROOT
from make_notebooks import INSTALL_ID

CLAIM = "application/x-vae-claim+json"
TIMEOUT = 900  # seconds a cell may take
BUDGET = ("VAE_LIB_BUDGET", "VAE_LIB_DATA")  # environment variables that change what a chapter does


def library_hash(root=ROOT):
    """A hash of what the chapters use of vae_lib: code, claims, recipes, weights, data, widgets; no exercises."""
    digest = hashlib.sha256()
    for path in sorted((root / "vae_lib").rglob("*")):
        parts = path.relative_to(root / "vae_lib").parts
        if path.is_file() and not {"__pycache__", "exercises"} & set(parts) and path.suffix != ".partial":
            digest.update(path.relative_to(root).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def key_of(notebook, library, lock, device, environment=os.environ):
    """What the outputs of a notebook depend on, as one hash."""
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    budget = [environment.get(name, "") for name in BUDGET]
    return hashlib.sha256(json.dumps([code, library, lock, device, budget]).encode()).hexdigest()


def collapse(text):
    r"""What a terminal shows of `text`: `\r` goes back to the start of the line."""
    lines = []
    for line in text.split("\n"):
        shown = ""
        for part in line.split("\r"):
            shown = part + shown[len(part):]
        lines.append(shown.rstrip() if "\r" in line else line)
    return "\n".join(lines)


def tidy(outputs):
    """Join neighbouring streams of one name, then collapse their progress bars."""
    kept = []
    for output in outputs:
        last = kept[-1] if kept else None
        if last and output.output_type == last.output_type == "stream" and output.name == last.name:
            last.text += output.text
        else:
            kept.append(output)
    for output in kept:
        if output.output_type == "stream":
            output.text = collapse(output.text)
    return kept


def seconds(cell):
    """The seconds a cell took, by nbclient's record."""
    times = cell.metadata.get("execution", {})
    began, ended = times.get("iopub.execute_input"), times.get("shell.execute_reply")
    if not (began and ended):
        return 0.0
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()


def faults(notebook):
    """What is wrong with an executed notebook: errors, stderr, or no sign that it ran at all."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.get("id") != INSTALL_ID]
    if not cells:
        return []
    found = []
    for number, cell in enumerate(cells, 1):
        for output in cell.outputs:
            if output.output_type == "error":
                found.append(f"code cell {number} raised {output.ename}: {output.evalue}")
            elif output.output_type == "stream" and output.name == "stderr":
                found.append(f"code cell {number} wrote to stderr:\n{collapse(output.text)}")
    if not any(cell.outputs for cell in cells):
        found.append("no cell gave an output")
    if sum(map(seconds, cells)) <= 0.0:
        found.append("its code took 0.0 s: it was not executed")
    return found


def harvest(notebook):
    """The rows of all claims that a notebook measured."""
    return [output.data[CLAIM] for cell in notebook.cells if cell.cell_type == "code"
            for output in cell.outputs if CLAIM in output.get("data", {})]


def execute(path, root=ROOT):
    """Run a copy of the notebook `path` with nbmake; returns it with outputs. A failure ends the program."""
    running = root / ".executed" / "running"  # not under `_build`: nbmake leaves out such paths without a word
    running.mkdir(parents=True, exist_ok=True)
    copy = running / path.name
    copy.write_bytes(path.read_bytes())
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "-p", "nbmake_progress",
               "--nbmake", "--overwrite", f"--nbmake-timeout={TIMEOUT}", str(copy)]
    folders = [str(root / "tools"), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(command, cwd=root, env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, folders))})
    notebook = nbformat.read(copy, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = tidy(cell.outputs)
    found = faults(notebook)
    if done.returncode or found:
        sys.exit(f"\n{path.stem} failed (its state is in {copy.relative_to(root)}):\n- " + "\n- ".join(found))
    copy.unlink()
    return notebook


def circumstances():
    """Device, versions and date of an execution."""
    import torch

    name = torch.cuda.get_device_name() if torch.cuda.is_available() else \
        f"CPU, {torch.get_num_threads()} threads ({platform.machine()})"
    packages = ("torch", "torchvision", "numpy", "matplotlib", "scikit-learn", "vae_lib")
    return {"device": name, "date": datetime.now(UTC).date().isoformat(),
            "versions": {"python": platform.python_version()} | {package: version(package) for package in packages}}


def summary(folder):
    """Claims, seconds and circumstances of all executed notebooks in `folder`."""
    result = {"claims": [], "chapters": []}
    for path in sorted(folder.glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        result["claims"] += harvest(notebook)
        cells = [round(seconds(cell), 3) for cell in notebook.cells
                 if cell.cell_type == "code" and cell.get("id") != INSTALL_ID]
        row = {"name": path.stem, "seconds": round(sum(cells), 1), "cells": cells}
        result["chapters"].append(row | notebook.metadata["course"]["circumstances"])
    ids = [row["id"] for row in result["claims"]]
    if twice := sorted({key for key in ids if ids.count(key) > 1}):
        sys.exit(f"measured more than once: {', '.join(twice)}; a claim is checked in one cell of one chapter")
    return result


def main(arguments=None, root=ROOT):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("chapters", nargs="*", help="only these, such as 03_elbo (default: all that changed)")
    wanted = parser.parse_args(arguments).chapters
    sources = sorted((root / "chapters").glob("*.ipynb"))
    if unknown := set(wanted) - {path.stem for path in sources}:
        parser.error(f"no such chapter: {', '.join(sorted(unknown))}; there are {', '.join(p.stem for p in sources)}")
    from vae_lib.training import best_device  # here, since torch takes seconds to import

    folder = root / ".executed" / "chapters"
    folder.mkdir(parents=True, exist_ok=True)
    for old in set(folder.glob("*.ipynb")) - {folder / path.name for path in sources}:
        old.unlink()
    library, device = library_hash(root), best_device()
    lock = hashlib.sha256((root / "requirements.lock").read_bytes()).hexdigest()
    for path in [path for path in sources if not wanted or path.stem in wanted]:
        key = key_of(nbformat.read(path, as_version=4), library, lock, device)
        kept = folder / path.name
        if kept.exists() and nbformat.read(kept, as_version=4).metadata.get("course", {}).get("key") == key:
            print(f"{path.stem}: executed before, nothing it depends on has changed")
            continue
        print(f"{path.stem}: executing", flush=True)
        notebook = execute(path, root)
        notebook.metadata["course"] = {"key": key, "circumstances": circumstances()}
        partial = kept.with_suffix(".partial")
        nbformat.write(notebook, partial)
        partial.replace(kept)
    result = summary(folder)
    (root / ".executed" / "measured.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for row in result["claims"]:
        print(f"  claim {row['id']}: {row['shown']}, expected {row['expected']}: {row['outcome']}")
    print("seconds of execution:", ", ".join(f"{row['name']} {row['seconds']}" for row in result["chapters"]) or 0)


if __name__ == "__main__":
    main()
