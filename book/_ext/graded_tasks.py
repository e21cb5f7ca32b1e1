"""The directive {graded-tasks}: the statements of a chapter's graded tasks, folded, from its page of exercises.

tools/myst.py makes of it a list for the chapter's notebook.
"""

import sys
from pathlib import Path, PurePosixPath

from sphinx.util.docutils import SphinxDirective

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import statements


class GradedTasks(SphinxDirective):
    """Stands once in the section "Try it" of a chapter; takes nothing."""

    def run(self):
        root, chapter = Path(self.env.srcdir), PurePosixPath(self.env.docname).name
        self.env.note_dependency(str(statements.page(root, chapter)))
        return self.parse_text_to_nodes(statements.folded(root, chapter))


def setup(app):
    app.add_directive("graded-tasks", GradedTasks)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
