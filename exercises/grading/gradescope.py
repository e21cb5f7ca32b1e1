"""Grade the one submission in a container of Gradescope, with the same sandbox, and write its `results.json`.

Where the sandbox cannot start, nothing of the learner's is run, and the page says that it was not their fault.
"""

import json
import sys
import traceback
from pathlib import Path

from exercises.grading.collect import LARGEST
from exercises.grading.feedback import plain
from exercises.grading.folder import ClassFolder, write

__all__ = ["main", "report"]

STUDENT = "submission"


def report(result, record):
    """A result as Gradescope's `results.json`; tasks that a person marks are left to Gradescope's rubric."""
    given = {one["name"]: one for one in result["tasks"]}
    tests = []
    for task in record["tasks"]:
        if task["by_hand"]:
            continue
        one = given.get(task["name"], {})
        tests.append({"name": task["title"], "score": one.get("points") or 0, "max_score": task["points"],
                      "status": "passed" if one.get("passed") else "failed", "output_format": "text",
                      "output": plain(f"{one.get('sentence', 'Not reached.')} {one.get('hint', '')}")})
    return {"output": plain(result["reason"]), "output_format": "text", "visibility": "visible",
            "stdout_visibility": "hidden", "tests": tests}


def main(chapter, root=Path("/autograder"), grade=None):
    """Grade what lies in `root`/submission. `grade` is `batch.grade` where it is not given."""
    root = Path(root)
    try:
        folder = ClassFolder(root / "source" / "class")
        record = folder.released(chapter)
        books = sorted(path for path in (root / "submission").rglob("*.ipynb")
                       if path.is_file() and not path.is_symlink() and path.stat().st_size <= LARGEST)
        if len(books) != 1:
            found = {"output": f"Hand in one notebook, {chapter}.ipynb; {len(books)} were found.", "score": 0}
        else:
            write(folder.submitted(chapter, STUDENT) / f"{chapter}.ipynb", books[0].read_bytes())
            if grade is None:
                from exercises.grading.batch import grade
            found = report(grade(folder.path, chapter, folder.seed, jobs=1)[STUDENT], record)
    except BaseException:
        traceback.print_exc()  # goes to the log that the teacher alone sees: stdout_visibility is hidden
        found = {"output": "The grader could not start its sandbox, so nothing was run. This is no fault of yours; "
                           "your teacher can see why.", "score": 0, "stdout_visibility": "hidden"}
    write(root / "results" / "results.json", json.dumps(found, indent=1) + "\n")
    return found


if __name__ == "__main__":
    main(sys.argv[1])
