"""Asking answers: what happens to one that was too slow."""

import os
import subprocess
import sys
from pathlib import Path

LATE = """
import torch
from vae_lib.exercises import probing

def slow():
    return torch.stack([torch.randn((), requires_grad=True).exp() for _ in range(10**7)])

print(probing.observe(lambda answer: answer(), slow, [{}], "slow", limit=0.5)[0]["problem"])
"""


def test_a_late_answer_does_not_bring_python_down():
    """It is inside of PyTorch nearly all of the time, and Python ends straight after the check."""
    done = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True,
                          env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1]), "OMP_NUM_THREADS": "1"})
    assert done.stdout.strip() == "time"
    assert not done.returncode, done.stderr[-2000:]
