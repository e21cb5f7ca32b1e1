"""How a class did, task by task, without names; what fewer than five people did is not told."""

from collections import Counter
from statistics import median

from tabulate import tabulate

from exercises.grading.folder import ClassError

__all__ = ["FEWEST", "as_table", "statistics"]

FEWEST = 5


def statistics(folder, chapter):
    """Plain data: {"submissions", "status", "attempts", "seconds", "tasks": [{"title", "right", "mistakes", …}]}.

    Raises
        ClassError: fewer than `FEWEST` submissions were graded: any number would tell of single people.
    """
    record, status, attempts, seconds, tasks = folder.released(chapter), Counter(), [], [], {}
    for student in folder.students(chapter):
        if result := folder.result(chapter, student):
            status[result["status"]] += 1
            attempts.append(folder.collected(chapter, student).get("attempts", 1))
            seconds.append(float(result.get("seconds") or 0))
            for one in result.get("tasks", []):
                count = tasks.setdefault(one["name"], Counter())
                count["right"] += bool(one.get("passed"))
                count["points"] += float(one.get("points") or 0)
                count.update(("mistake", name) for name in set(one.get("mistakes") or ()))
    n = len(attempts)
    if n < FEWEST:
        raise ClassError(f"{n} submissions of {chapter} are graded. Statistics begin at {FEWEST}: with "
                         "fewer they tell of single people")
    return {"chapter": chapter, "submissions": n, "fewest": FEWEST,
            "status": {key: _count(k) for key, k in status.most_common()},
            "attempts": {"median": median(attempts), "more than one": _count(sum(one > 1 for one in attempts))},
            "seconds": {"median": round(median(seconds), 1)},
            "tasks": [_task(one, tasks.get(one["name"], Counter()), n) for one in record["tasks"]]}


def _count(n):
    return n if n == 0 or n >= FEWEST else f"under {FEWEST}"


def _task(task, count, n):
    row = {"name": task["name"], "title": task["title"], "of": task["points"], "by_hand": task["by_hand"]}
    if task["by_hand"]:
        return row
    right = count["right"]
    small = [k for k in (right, n - right) if 0 < k < FEWEST]
    row["right"] = (f"under {FEWEST / n:.0%}" if 0 < right < FEWEST else f"over {1 - FEWEST / n:.0%}") if small \
        else right / n
    row["points"] = None if small else count["points"] / n
    row["mistakes"] = [{"name": key[1], "people": k} for key, k in count.most_common()
                       if isinstance(key, tuple) and k >= FEWEST][:3]
    return row


def as_table(found):
    """The statistics as text."""
    rows = []
    for one in found["tasks"]:
        if one["by_hand"]:
            rows.append([one["title"], "by hand", "", ""])
            continue
        right = one["right"] if isinstance(one["right"], str) else f"{one['right']:.0%}"
        points = "" if one["points"] is None else f"{one['points']:.1f} of {one['of']}"
        rows.append([one["title"], right, points,
                     "\n".join(f"{said['name']} ({said['people']})" for said in one["mistakes"])])
    status = ", ".join(f"{key} {n}" for key, n in found["status"].items())
    lines = [f"{found['chapter']}: {found['submissions']} submissions ({status})",
             f"handed in more than once: {found['attempts']['more than one']}" +
             (f"; a submission ran for {seconds:g} s (median)" if (seconds := found["seconds"]["median"]) else ""), "",
             tabulate(rows, ["Task", "Right", "Points", "Commonest mistakes"], "simple",
                      colalign=("left", "right", "right", "left"), maxcolwidths=[22, None, None, 24]), "",
             f"Counts below {found['fewest']} are not shown; shares that would tell",
             "them are shown as a bound."]
    return "\n".join(lines)
