"""Waiting with an end: a test that waits says what it waited for."""

import time

__all__ = ["waited_for"]


def waited_for(what, there, seconds=120):
    """Wait until `there()` is true; fail with `what` after `seconds`: many, for a busy machine is not a wrong one."""
    until = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < until, f"waited {seconds} s for {what}"
        time.sleep(0.01)
