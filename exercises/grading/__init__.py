"""The teacher's tool: hand out a class's edition, collect, grade in a sandbox, mark, give back, and forget.

    python -m exercises.grading --help        from the folder of the repository

`sandbox`, `submission`, `zygote` and `batch` run what learners wrote; everything else here runs nothing of theirs.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))  # release.py and what it imports
