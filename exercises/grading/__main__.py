"""The command line: python -m exercises.grading release | collect | grade | answers | mark | feedback | export | stats
| forget
"""

import argparse
import getpass
import json
import sys
from datetime import datetime
from pathlib import Path

from tabulate import tabulate

from exercises.grading.folder import ClassError, ClassFolder, check_chapter

ORDER = """\
The order of things, with CLASS a folder of your own outside of the repository:

  release CLASS 05_first_vae --due 2027-03-01T23:59:00+01:00    then hand out CLASS/release/05_first_vae/student
  collect CLASS 05_first_vae submissions.zip                    as the LMS let you download it
  grade   CLASS 05_first_vae                                    in the sandbox
  answers CLASS 05_first_vae                                    what a person has to mark, and a list to fill in
  mark    CLASS 05_first_vae --csv CLASS/export/05_first_vae-marks.csv
  feedback, export, stats                                       pages, tables for the LMS, how the class did
  forget  CLASS STUDENT                                         delete a student's data; --everyone, the class
"""


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m exercises.grading", epilog=ORDER,
                                     description="Grade a class without trusting a line of what it sent in.",
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name, about, chapter=True):
        one = commands.add_parser(name, help=about, description=about)
        one.add_argument("folder", metavar="CLASS", type=Path, help="the folder of the class")
        if chapter:
            one.add_argument("chapter", metavar="CHAPTER", help="such as 05_first_vae")
        return one

    release = command("release", "draw the class's edition of a chapter, with a secret seed of its own")
    release.add_argument("--course", default="vae", help="the name of the course, for a new class")
    release.add_argument("--due", type=_time, help="the deadline with its zone, such as 2027-03-01T23:59:00+01:00")
    release.add_argument("--ask-seed", action="store_true", help="ask for the seed of a new class; else one is drawn")
    release.add_argument("--force", action="store_true", help="draw again although something was handed in already")

    collect = command("collect", "take the submissions out of a download of Canvas, Moodle, Classroom, or a folder")
    collect.add_argument("source", metavar="FROM", type=Path, help="a ZIP or a folder; nothing in it is changed")
    collect.add_argument("--times", type=Path, help="CSV with columns student (or file) and time")
    collect.add_argument("--zone", default="", help="time zone of times that name none, such as Europe/Berlin")

    grade = command("grade", "run every new submission in the sandbox and enter the points into the gradebook")
    grade.add_argument("--jobs", type=int, default=2, help="how many at a time (default: 2)")
    grade.add_argument("--student", action="append", help="only this one; may be given again")
    grade.add_argument("--force", action="store_true", help="grade again what was graded; marks by hand stay")

    answers = command("answers", "write the answers that a person marks on one page, and a list to fill in")
    answers.add_argument("--formgrader", action="store_true", help="make a course folder for nbgrader's formgrader")
    mark = command("mark", "enter points that a person gives; grading again keeps them")
    mark.add_argument("student", nargs="?")
    mark.add_argument("task", nargs="?")
    mark.add_argument("points", nargs="?", help='a number, or "auto" to give the task back to the grader')
    mark.add_argument("--note", help="a sentence for the student")
    mark.add_argument("--csv", type=Path, help="a list with columns student, task, points, note")

    feedback = command("feedback", "write a page for each student")
    feedback.add_argument("--site", help="address of the book, for links (default: the repository's own)")

    export = command("export", "write the marks as a table for the LMS, or the grader as a package for Gradescope")
    export.add_argument("--format", choices=("canvas", "moodle", "generic", "gradescope"), default="generic")
    export.add_argument("--column", default="", help='what the LMS calls it; Canvas: "Exercises 5 (4711)"')
    export.add_argument("--out-of", type=float, default=0, help="the points of the LMS, where they are others")
    export.add_argument("--worksheet", type=Path, help="Moodle's grading worksheet, to be filled in")
    export.add_argument("--partial", action="store_true", help="also those of whom a mark by hand is missing")

    stats = command("stats", "tell, task by task and without names, how the class did")
    stats.add_argument("--json", action="store_true", help="as JSON")

    forget = command("forget", "delete what is known of a student, or the class", chapter=False)
    forget.add_argument("student", nargs="?")
    forget.add_argument("--everyone", action="store_true", help="delete the whole folder of the class")
    forget.add_argument("--yes", action="store_true", help="do not ask")

    options = parser.parse_args(arguments)
    try:
        if hasattr(options, "chapter"):
            check_chapter(options.chapter)
        return globals()[f"_{options.command}"](options)
    except ClassError as error:
        sys.exit(f"grading: {error}")
    except PermissionError as error:
        sys.exit(f"grading: {error.filename} may not be read or written by you: {error.strerror}")
    except KeyboardInterrupt:
        sys.exit("grading: stopped; what was finished is kept, and the same command goes on")


def _time(text):
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time with a zone: write 2027-03-01T23:59:00+01:00")
    return time


def _release(options):
    import release
    seed = getpass.getpass("the seed (12 letters or more): ") if options.ask_seed else ""
    if options.ask_seed and len(seed) < release.SHORTEST:
        raise ClassError(f"a seed of {len(seed)} letters can be guessed: take {release.SHORTEST} or more")
    folder, chapter = ClassFolder.create(options.folder, options.course, seed), options.chapter
    if folder.students(chapter) and not options.force:
        raise ClassError(f"{folder.path} has submissions of {chapter} already, and drawing again could change what "
                         "they are held against. --force, if you mean it; then `grade --force`")
    if options.due:
        folder.set_due(chapter, options.due)
    release.main(chapter, folder.seed, folder.release(chapter))
    for part in ("teacher", "environment"):
        folder.release(chapter, part).chmod(0o700)
    print(f"seed, deadlines and the late policy: {folder.config}")


def _collect(options):
    from exercises.grading.collect import collect, read_times
    folder = ClassFolder(options.folder)
    times = read_times(options.times, options.zone) if options.times else {}
    rows = collect(folder, options.chapter, options.source, times)
    print(tabulate([[row.student, row.name, _short(row.file), row.what, row.time] for row in rows],
                   ["Student", "Name", "File", "What", "Time"], "simple", maxcolwidths=[24, 24, 44, 40, None]))
    students = folder.students(options.chapter)
    refused = [one for one in students if not (folder.submitted(options.chapter, one)
                                               / f"{options.chapter}.ipynb").exists()]
    print(f"\n{len(students)} students handed in {options.chapter}; of {len(refused)} nothing can be graded.")
    late = [row.student for row in rows if row.time == "LATE, no time"]
    if late and folder.due(options.chapter):
        print(f"{len(late)} are marked LATE by the LMS, without a time: nothing is taken from their points until "
              f"--times says when they came ({', '.join(late[:8])}{' …' if len(late) > 8 else ''}).")


def _short(name):
    return name if len(name) <= 90 else f"{name[:42]} … {name[-42:]}"


def _grade(options):
    from exercises.grading import batch, gradebook
    folder, chapter = ClassFolder(options.folder), options.chapter
    folder.released(chapter)
    if unknown := sorted(set(options.student or ()) - set(folder.students(chapter))):
        raise ClassError(f"nothing was collected of {', '.join(unknown)} for {chapter}")
    try:
        results = batch.grade(folder.path, chapter, folder.seed, jobs=options.jobs, students=options.student,
                              force=options.force) if folder.submitted(chapter).is_dir() else {}
    except (RuntimeError, ValueError) as error:  # no sandbox, another run, a reference without full marks
        raise ClassError(str(error)) from error
    entered = gradebook.fill(folder, chapter)
    status = {}
    for one in results.values():
        status[one["status"]] = status.get(one["status"], 0) + 1
    print(", ".join(f"{n} {key}" for key, n in sorted(status.items())) or "nothing new to grade")
    waiting = sum(one.waiting for one in gradebook.scores(folder, chapter))
    print(f"{entered} submissions are in {folder.gradebook}" +
          (f"; {waiting} answers wait for a person: `answers`, then `mark`" if waiting else ""))


def _answers(options):
    from exercises.grading.answers import sheet
    folder = ClassFolder(options.folder)
    if options.formgrader:
        from exercises.grading.formgrader import course
        root, n = course(folder, options.chapter)
        print(f"{n} notebooks in {root}. Run `jupyter lab` in that folder and open Nbgrader, Formgrader; close it "
              "before you run this tool again")
        return
    page, marks, waiting = sheet(folder, options.chapter)
    print(f"{waiting} answers wait. Read {page}, fill in {marks}, then `mark … --csv {marks}`")


def _mark(options):
    from exercises.grading import gradebook
    from exercises.grading.answers import read_marks
    folder, one = ClassFolder(options.folder), (options.student, options.task, options.points)
    if (options.csv and any(one)) or (not options.csv and None in one):
        raise ClassError("give STUDENT TASK POINTS, or --csv FILE")
    if options.csv:
        marks = read_marks(options.csv)
    else:
        try:
            points = None if options.points == "auto" else float(options.points)
        except ValueError as error:
            raise ClassError(f"{options.points!r} is no number of points") from error
        marks = [(options.student, options.task, points, options.note)]
    gradebook.mark(folder, options.chapter, marks)
    print(f"{len(marks)} marks entered into {folder.gradebook}")


def _feedback(options):
    from exercises.grading.feedback import feedback
    folder = ClassFolder(options.folder)
    n = feedback(folder, options.chapter, options.site)
    print(f"{n} pages in {folder.feedback(options.chapter)}, each named by the student's id")


def _export(options):
    from exercises.grading import export
    folder = ClassFolder(options.folder)
    if options.format == "gradescope":
        print(f"{export.gradescope(folder, options.chapter)}: upload it as the autograder. It holds the class's seed")
        return
    path, blank = export.write_table(folder, options.chapter, options.format, options.column, options.out_of,
                                     options.worksheet, options.partial)
    print(path)
    if blank:
        print(f"{len(blank)} are left out, for a mark by hand is missing: `answers` and `mark`, or --partial")


def _stats(options):
    from exercises.grading.stats import as_table, statistics
    found = statistics(ClassFolder(options.folder), options.chapter)
    print(json.dumps(found, indent=1, ensure_ascii=False) if options.json else as_table(found))


def _forget(options):
    from exercises.grading.forget import forget, forget_class
    folder = ClassFolder(options.folder)
    if bool(options.student) == options.everyone:
        raise ClassError("give a STUDENT, or --everyone")
    what = f"everything in {folder.path}" if options.everyone else f"all data of {options.student} in {folder.path}"
    if not options.yes and input(f"delete {what}? There is no way back. [yes] ") != "yes":
        raise ClassError("nothing was deleted")
    if options.everyone:
        print(f"{folder.path} is gone" if forget_class(folder) else f"{folder.path} is still there")
        return
    done, left, named = forget(folder, options.student)
    print("deleted: " + ", ".join(done))
    if named:
        print(f"{len(named)} files hold the name, among them {', '.join(named[:5])}: look at them yourself")
    if left:
        sys.exit(f"the id is still in {len(left)} files, among them {', '.join(left[:5])}: look at them yourself")
    print(f"searched {folder.path}: nothing of {options.student} is left. Downloads, backups and the LMS are yours to "
          "clear; tables in export/ were deleted and can be made again")


if __name__ == "__main__":
    main()
