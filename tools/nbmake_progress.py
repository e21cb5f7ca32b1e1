"""A pytest plugin: say which cell nbmake is running, and how long the slow ones took."""

import sys
import time

from nbclient import NotebookClient
from nbmake import nb_run

SLOW = 5  # seconds
START = 300  # seconds a kernel may take to answer, on a busy machine


class TalkingClient(NotebookClient):
    """nbclient with a line of progress: rewritten on a terminal, for slow cells only in a log."""

    def __init__(self, nb, **options):
        super().__init__(nb, startup_timeout=START, **options)

    async def async_execute_cell(self, cell, cell_index, **options):
        code = [k for k, other in enumerate(self.nb.cells) if other.cell_type == "code"]
        name = f"  cell {code.index(cell_index) + 1} of {len(code)}" if cell_index in code else ""
        terminal = sys.stdout.isatty() and name
        if terminal:
            print(f"\r{name} …", end="", flush=True)
        began = time.perf_counter()
        try:
            return await super().async_execute_cell(cell, cell_index, **options)
        finally:
            took = time.perf_counter() - began
            if name and took > SLOW:
                print(f"{chr(13) if terminal else ''}{name}: {took:.0f} s", flush=True)


nb_run.NotebookClient = TalkingClient
