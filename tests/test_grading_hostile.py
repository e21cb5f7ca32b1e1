"""One batch of hostile submissions with honest ones among them: no undue point, no leak, no damage, nobody stops it."""

import gzip
import hashlib
import io
import json
import os
import platform
import re
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest
from hostile_cells import CHEATS, REPORTS, SPIES, STOPPERS

from exercises.grading import batch
from exercises.grading.judge import Judge

ROOT = Path(__file__).resolve().parents[1]
CHAPTER, SEED = "05_first_vae", "CANARY-seed of a class"
CANARIES = ("CANARY-teacher", "CANARY-student", "CANARY-book", "CANARY-home", "CANARY-environment", "CANARY-seed",
            "CANARY-toml", "CANARY-result")
SLOW = "where_the_rate_goes"  # a task with a second of work: left out of the hostile batch, whose limits are short
CONTROL = "a forger who knows the answers"
STATUSES = ("graded", "timed out", "crashed", "invalid")
TIMES = {"submission": 9.0, "cell": 2.5, "hidden": 4.0, "grace": 0.5}
LIMITS = {"memory": 1 << 30}  # reached in a quarter of a second: the limit ends a bomb before the clock does


def code(source, **more):
    return {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": source, **more}


def with_first(book, source):
    """The notebook with a cell before all others."""
    return {**book, "cells": [code(source, id="mine"), *book["cells"]]}


def with_last_answers(book, source):
    """The notebook with a cell after all others, where names that it binds are the ones asked."""
    return {**book, "cells": [*book["cells"], code(source, id="mine")]}


def mapped(book, change):
    """The notebook with each code cell as `change` gives it: a cell, a list of cells, or `None`."""
    cells = []
    for cell in book["cells"]:
        new = change(json.loads(json.dumps(cell))) if cell["cell_type"] == "code" else cell
        cells += new if isinstance(new, list) else [new] if new else []
    return {**book, "cells": cells}


def is_check(cell):
    return cell["id"].endswith("-check")


@pytest.fixture(scope="module")
def edition():
    """What the judge says of this class's edition, the handed-out notebook, and the one of the reference."""
    with Judge(CHAPTER, SEED) as judge:
        about, reference = judge.ask("about"), json.loads(judge.ask("reference"))
        starters = {cell["id"]: cell["source"] for cell in about["cells"]}
        quick = mapped(reference, lambda cell: None if SLOW.replace("_", "-") in cell["id"] else cell)
        empty = mapped(quick, lambda cell: {**cell, "source": starters[cell["id"]]})
        yield {"about": about, "reference": reference, "quick": quick, "empty": empty,
               "payloads": payloads(judge, about, reference)}


def payloads(judge, about, reference):
    """What right answers send, without a nonce: the most that a forger can have."""
    import torch
    from release import Edition

    from vae_lib.exercises import probing

    space, found = {}, []
    with torch.random.fork_rng():
        for cell in reference["cells"]:
            if cell["cell_type"] == "code" and cell["id"].rpartition("-")[2] in ("given", "answer"):
                exec(cell["source"], space)
        edition = Edition(CHAPTER, SEED)
        for task in about["tasks"]:
            if task["by_hand"]:
                continue
            court = edition.judge(task["name"])
            inputs = [probing.decode(probing.encode(one)) for one in edition.inputs(task["name"])]
            seen = probing.observe(court.space["probe"], space[task["answer"]], inputs, task["answer"],
                                   edition.tasks[task["name"]].returns)
            found.append({"task": task["name"], "nonce": "", "observed": seen})
    return found


def honest_kinds(edition):
    """Notebooks of people who mean well, as Jupyter, Colab and people's hands leave them: all get full marks."""
    book = edition["quick"]

    def colab(cell):
        name = cell.pop("id")
        return {**cell, "metadata": {"id": secrets.token_hex(6), "colab": {"base_uri": "https://localhost"}},
                "outputs": [{"output_type": "stream", "name": "stdout", "text": "old\n"}]} if name else None

    stale = {"output_type": "error", "ename": "NameError", "evalue": "old", "traceback": []}
    magics = "%matplotlib inline\n!pip install nothing\n%time y = 1\nimport os\ndisplay(y)\nprint?"
    return {
        "aa-honest": book,
        "honest from Colab": {**mapped(book, colab), "metadata": {"colab": {"provenance": []}, "kernelspec": {
            "name": "python3", "display_name": "Python 3"}}, "nbformat_minor": 0},
        "honest with magics": with_first(book, magics),
        "honest with an error": with_first(book, "undefined_name + 1"),
        "honest with stale errors": mapped(book, lambda cell: {**cell, "outputs": [stale]}),
        "honest without the checks": mapped(book, lambda cell: None if is_check(cell) else cell),
        "honest with checks that fail": mapped(book, lambda cell: {**cell, "source": "assert False"}
                                               if is_check(cell) else cell),
        "honest with cells twice": mapped(book, lambda cell: [cell, cell]),
        "honest without given cells": mapped(book, lambda cell: None if cell["id"].endswith("-given") else cell),
        "honest with checks first": {**book, "cells": sorted(book["cells"], key=lambda cell: not is_check(cell))},
        "honest with sources as lists": mapped(book, lambda cell: {**cell, "source": cell["source"].splitlines(True)}),
        "zz-honest": {**book, "metadata": {**book["metadata"], "note": "CANARY-student"}},
    }


def files(edition, place):
    """Submissions whose file is the attack: {name: how it is put into its folder}."""
    empty, reference = edition["empty"], edition["reference"]
    whole = json.dumps(reference).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{CHAPTER}.ipynb", bytes(50 << 20))
    solved = {cell["id"]: cell["source"] for cell in reference["cells"]}
    outputs = [{"output_type": "display_data", "metadata": {}, "data": {"application/x-probe+json": one}}
               for one in edition["payloads"]]
    script = {"output_type": "display_data", "metadata": {}, "data": {"text/html": "<script>alert(1)</script>"}}
    kernel = {"kernelspec": {"name": "ir", "language": "R", "display_name": "R"}, "language_info": {"name": "R"}}
    other = (ROOT / "exercises" / "03_elbo.ipynb").read_bytes()

    def text(value):
        return lambda path: path.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())

    return {
        "zip bomb": text(packed.getvalue()),
        "gzip bomb": text(gzip.compress(bytes(50 << 20))),
        "deep JSON": text(b"[" * 1_000_000 + b"]" * 1_000_000),
        "deep JSON in a cell": text(json.dumps({**empty, "metadata": 0}).encode()[:-1] + b',"x":' + b"[" * 90_000
                                    + b"]" * 90_000 + b"}"),
        "not JSON": text(b"\x00\xff not a notebook"),
        "numbers without end": text(b'{"cells": [' + b"9" * 1_000_000 + b"]}"),
        "a text of broken letters": text(b'{"cells": [{"cell_type": "code", "source": "\\ud800\\udfff\\ud800"}]}'),
        "JSON but no notebook": text({"cells": 5}),
        "empty file": text(b""),
        "too large": text(b" " * (21 << 20)),
        "a million cells": text(b'{"cells": [' + b"{}," * 1_000_000 + b"{}]}"),
        "cells of other types": text({"cells": [5, None, {"cell_type": "code", "source": 7}], "metadata": []}),
        "wrong notebook": text(other),
        "wrong kernel": text({**reference, "metadata": kernel}),
        "stale outputs without code": text(mapped(empty, lambda cell: {**cell, "source": "", "outputs": outputs})),
        "probes in the outputs": text(mapped(empty, lambda cell: {**cell, "outputs": outputs})),
        "scripts in the outputs": text(mapped(empty, lambda cell: {**cell, "outputs": [script]})),
        "answers in locked cells only": text(mapped(empty, lambda cell: {
            **cell, "source": "kl = 1" if cell["id"].endswith("given") else cell["source"]})),
        "answers as text cells": text({**empty, "cells": [
            {"cell_type": "markdown", "metadata": {}, "id": cell["id"], "source": solved[cell["id"]]}
            if cell["id"].endswith("-answer") else cell for cell in empty["cells"]]}),
        "edited test cells": text(mapped(empty, lambda cell: {**cell, "source": "sheet.check = lambda *a: True"}
                                         if is_check(cell) else cell)),
        "points in the metadata": text(mapped(empty, lambda cell: {**cell, "metadata": {"nbgrader": {
            "grade": True, "points": 1000, "grade_id": "kl", "solution": True, "locked": False}}})),
        "a symlink to another student": lambda path: path.symlink_to(place / "aa-honest" / path.name),
        "a symlink to the gradebook": lambda path: path.symlink_to(place.parents[1] / "gradebook.db"),
        "a symlink to the solutions": lambda path: path.symlink_to(place.parents[2] / "home" / "solutions.ipynb"),
        "a hard link to the solutions": lambda path: os.link(place.parents[2] / "home" / "solutions.ipynb", path),
        "a pipe": lambda path: os.mkfifo(path),
        "a folder": lambda path: path.mkdir(),
        "a device": lambda path: path.symlink_to("/dev/zero"),
        "nothing at all": lambda path: None,
        "%2e%2e%2f..%2fgradebook": text(whole[:-9]),
        "'; DROP TABLE grade; --": text(b"{"),
        "<script>alert(1)": text(b"{"),
        "a name\nwith a line end": text(b"{"),
    }


def snapshot(folder):
    """{path: what it is} of all below a folder but the results."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if name.startswith("results/") and "other-chapter" not in name:
            continue
        about = path.lstat()
        body = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() and not path.is_symlink() else ""
        found[name] = (about.st_mode, about.st_size if body else 0, body)
    return found


@pytest.fixture(scope="module")
def ran(edition, tmp_path_factory):
    """The batch, once: results, what was there before and after, connections that came."""
    base = tmp_path_factory.mktemp("hostile")
    folder, home, mark = base / "class", base / "home", f"mark{secrets.token_hex(4)}"
    place = folder / "submitted" / CHAPTER
    planted = {folder / "release" / CHAPTER / "teacher" / f"{CHAPTER}.json": "CANARY-teacher",
               folder / "gradebook.db": "CANARY-book", home / "notes.txt": "CANARY-home",
               home / ".ssh" / "id": "CANARY-home", folder / "class.toml": "CANARY-toml",
               folder / "results" / "other-chapter" / "aa-honest.json": "CANARY-result"}
    for path, canary in planted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'{{"secret": "{canary}"}}')
    (home / "solutions.ipynb").write_text(json.dumps(edition["reference"]))
    listening, came = socket.create_server(("127.0.0.1", 0)), []

    def listen():
        while True:
            try:
                came.append(listening.accept())
            except OSError:
                return

    threading.Thread(target=listen, daemon=True).start()
    words = {"@CLASS@": str(folder), "@HOME@": str(home), "@ROOT@": str(ROOT), "@MARK@": mark,
             "@PORT@": str(listening.getsockname()[1]), "@PAYLOADS@": repr(edition["payloads"])}

    def filled(source):
        for key, value in words.items():
            source = source.replace(key, value)
        return source

    honest = honest_kinds(edition)
    books = {f"{kind}": with_first(edition["empty"], filled(source))
             for kind, source in {**SPIES, **REPORTS, **{key: two for key, (_, two) in STOPPERS.items()}}.items()}
    books |= {kind: with_last_answers(edition["empty"], filled(source)) for kind, source in CHEATS.items()}
    forger = CHEATS["sends probes twice"].replace("for _ in range(2):", "if True:")
    honest[CONTROL] = with_last_answers(edition["empty"], filled(forger))
    odd = files(edition, place)
    for name, book in {**books, **honest}.items():
        (place / name).mkdir(parents=True)
        (place / name / f"{CHAPTER}.ipynb").write_text(json.dumps(book))
    for name, put in odd.items():
        (place / name).mkdir(parents=True)
        put(place / name / f"{CHAPTER}.ipynb")
    (place / "a folder that is a link").symlink_to(place / "aa-honest")
    odd["a folder that is a link"] = None
    before = snapshot(folder), snapshot(home), set(Path("/tmp").iterdir())
    patch = pytest.MonkeyPatch()
    patch.setenv("HOME", str(home))
    patch.setenv("CANARY", "CANARY-environment")
    began, cpu = time.monotonic(), os.times()
    try:
        results = batch.grade(folder, CHAPTER, SEED, jobs=2, progress=False, times=TIMES, limits=LIMITS)
    finally:
        patch.undo()
        listening.close()
    after = snapshot(folder), snapshot(home), set(Path("/tmp").iterdir())
    yield {"results": results, "before": before, "after": after, "came": came, "folder": folder, "home": home,
           "hostile": [*books, *odd], "honest": list(honest), "words": words, "filled": filled, "mark": mark,
           "seconds": time.monotonic() - began, "cpu": cpu}
    shutil.rmtree(base, ignore_errors=True)


def points(result):
    return sum(task["points"] or 0 for task in result["tasks"])


def full(edition, without=""):
    tasks = edition["about"]["tasks"]
    return sum(task["points"] for task in tasks if not task["by_hand"] and task["name"] != without)


def leaks(ran):
    """Where a canary, or a spy's success, can be read."""
    found = [(kind, canary) for kind in ran["results"] for canary in CANARIES
             if canary in json.dumps(ran["results"][kind])]
    for kind in [*REPORTS, *SPIES]:
        said = re.search(r"REPORT ?(.*)", ran["results"][kind]["reason"])
        if said is None or not re.fullmatch(r"|0|(?:0 )?of \d+", said[1].strip()):
            found.append((kind, ran["results"][kind]["reason"]))
    return found


def test_at_least_thirty_kinds_and_each_ends_with_a_status_and_a_sentence(ran):
    results = ran["results"]
    assert len(ran["hostile"]) >= 100 and set(results) == {*ran["hostile"], *ran["honest"]}
    for kind, result in results.items():
        assert result["status"] in STATUSES and len(result["reason"]) > 10, kind
        assert result["student"] == kind and len(result["tasks"]) == 8


def test_hostile_submissions_earn_no_point(ran):
    assert {kind: points(ran["results"][kind]) for kind in ran["hostile"] if points(ran["results"][kind])} == {}


def test_honest_ones_among_them_get_full_marks(ran, edition):
    """The control, a forger who knows the answers, has a test of its own."""
    got = {kind: (points(ran["results"][kind]), ran["results"][kind]["reason"]) for kind in ran["honest"]
           if kind != CONTROL}
    assert {kind: one for kind, one in got.items() if one[0] != full(edition, SLOW)} == {}


def test_nothing_leaks(ran):
    assert leaks(ran) == []
    assert not ran["came"]


def test_nothing_is_damaged(ran):
    assert ran["before"][0] == ran["after"][0] and ran["before"][1] == ran["after"][1]
    assert not [path for path in ran["after"][2] - ran["before"][2] if ran["mark"] in path.name]
    running = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline")]
    assert not [line for line in running if b"86399" + ran["words"]["@PORT@"].encode() in line]


@pytest.mark.parametrize("kind", STOPPERS)
def test_what_takes_too_much_is_named(ran, kind):
    assert re.fullmatch(STOPPERS[kind][0], ran["results"][kind]["status"]), ran["results"][kind]["reason"]


def test_files_that_cannot_be_graded_say_why(ran):
    results = ran["results"]
    invalid = {kind for kind in ran["hostile"] if results[kind]["status"] == "invalid"}
    assert invalid >= {"zip bomb", "deep JSON", "not JSON", "wrong notebook", "wrong kernel", "too large", "a pipe",
                       "a symlink to another student", "a hard link to the solutions",
                       "a symlink to the solutions", "a folder that is a link"}
    assert "chapter 3" in results["wrong notebook"]["reason"]
    assert "Python 3" in results["wrong kernel"]["reason"]


def outside(ran, source, **other):
    """Run a cell without the sandbox, as a grader that trusts it would: what it says."""
    for key, value in {f"@{name.upper()}@": str(value) for name, value in other.items()}.items():
        source = source.replace(key, value)
    words = {**os.environ, "HOME": str(ran["home"]), "SECRET": "CANARY-environment", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", ran["filled"](source)], cwd=ran["folder"], env=words, text=True,
                          capture_output=True, timeout=60)
    return done.stderr


@pytest.mark.parametrize("kind", [kind for kind in SPIES if kind != "follows the working folder"])
def test_the_same_spy_succeeds_without_the_sandbox(ran, kind):
    assert re.search("REPORT .*CANARY-", outside(ran, SPIES[kind])), "the attack proves nothing"


@pytest.mark.parametrize("kind", ["reads the masters", "imports the judging", "finds a second library",
                                  "opens a connection", "takes another family of sockets", "writes into the class",
                                  "signals its parents", "finds what others left"])
def test_the_same_attempt_succeeds_without_the_sandbox(ran, kind, tmp_path):
    (tmp_path / "results" / CHAPTER).mkdir(parents=True)
    (tmp_path / f"{tmp_path.name}.py").touch()
    with socket.create_server(("127.0.0.1", 0)) as server:
        more = {"port": server.getsockname()[1]}
        if kind == "writes into the class":
            more |= {"class": tmp_path, "home": tmp_path, "root": tmp_path}
        if kind == "finds a second library":
            more["root"] = ROOT
        source = REPORTS[kind]
        if kind == "finds what others left":
            source = source.replace("/home/student/*@MARK@*", f"{tmp_path}/*.py")
        if kind == "signals its parents":  # what it would do to a parent, it does to a child of its own
            source = "import subprocess\nchild = subprocess.Popen(['sleep', '60'])\n" + source.replace(
                "os.getppid(), -os.getppid() or -99, 2, 3, 4", "child.pid,")
        assert re.search("REPORT [1-9]", outside(ran, source, **more))


def test_forged_data_would_earn_all_points_with_the_nonce_sent_once(ran, edition):
    """So the forgers above fail by their timing and their nonce, and not because their data are wrong."""
    assert points(ran["results"][CONTROL]) == full(edition), ran["results"][CONTROL]["reason"]


def test_a_patched_comparison_fools_a_test_inside_the_process(edition):
    """The control of "patches assert and numpy": a hidden test that runs beside the answer gives it full marks."""
    space = {}
    exec("import types, numpy\nnp = types.SimpleNamespace(**vars(numpy))\n"
         + CHEATS["patches assert and numpy"].split("import numpy as np, builtins\n")[1].split("\nbuiltins")[0]
         .replace("np.testing.assert_allclose = ", ""), space)
    assert space["np"].allclose(1.0, 2.0)


def test_speed_and_the_record(ran, edition, tmp_path):
    """40 honest submissions, and the numbers that the teacher's guide quotes."""
    count = 40
    for number in range(count):
        place = tmp_path / "submitted" / CHAPTER / f"student-{number:02}"
        place.mkdir(parents=True)
        (place / f"{CHAPTER}.ipynb").write_text(json.dumps(edition["reference"]))
    began = time.monotonic()
    results = batch.grade(tmp_path, CHAPTER, SEED, jobs=2, progress=False)
    seconds = time.monotonic() - began
    assert all(points(result) == full(edition) for result in results.values())
    undue = sum(points(ran["results"][kind]) > 0 for kind in ran["hostile"])
    damage = sum(one != two for one, two in zip(ran["before"][:2], ran["after"][:2]))
    aborted = int(set(ran["results"]) != {*ran["hostile"], *ran["honest"]})
    record = {"hostile_kinds": len(ran["hostile"]), "undue_points": undue, "leaks": len(leaks(ran)) + len(ran["came"]),
              "damage": damage, "aborted_batches": aborted, "submissions_per_minute": round(60 * count / seconds, 1),
              "submissions": count, "seconds": round(seconds, 1), "hostile_batch_seconds": round(ran["seconds"], 1),
              "chapter": CHAPTER, "jobs": 2, "device": processor(), "cores": os.cpu_count()}
    (ROOT / "_build").mkdir(exist_ok=True)
    (ROOT / "_build" / "grading.json").write_text(json.dumps(record, indent=1) + "\n")
    assert (record["undue_points"], record["leaks"], record["damage"], record["aborted_batches"]) == (0, 0, 0, 0)


def processor():
    lines = Path("/proc/cpuinfo").read_text().split("\n")
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
