"""Number figures, equations, exercises and proofs within a chapter: 5.1, 5.2 … in chapters/05_*.

The chapter's number is that of its file, so that a chapter keeps it whatever stands in the table of contents.
tools/myst.py gives the derived notebooks the same numbers.
"""

import re


def renumber(app, env):
    for page, kinds in env.toc_fignumbers.items():
        chapter = re.match(r"chapters/(\d\d)_", page)
        for numbers in kinds.values():
            for place, key in enumerate(sorted(numbers, key=numbers.get), 1):
                numbers[key] = (int(chapter[1]), place) if chapter else (place,)
    return []


def setup(app):
    app.connect("env-get-updated", renumber, priority=900)  # after Sphinx has numbered
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
