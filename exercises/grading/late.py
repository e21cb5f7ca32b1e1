"""What a late submission costs: pure functions of the deadline, the time it came, and the class's policy."""

import math
from dataclasses import dataclass
from datetime import timedelta

__all__ = ["Policy", "lateness", "penalty_percent"]

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Policy:
    """Percent of the points taken for every day that has begun after the deadline, once the grace is over.

    cap_percent: never more than this. closes_after_days: later counts nothing; None, it never closes.
    """

    grace_minutes: float = 15
    percent_a_day: float = 10
    cap_percent: float = 50
    closes_after_days: float | None = None

    def __post_init__(self):
        for name in ("grace_minutes", "percent_a_day", "cap_percent", "closes_after_days"):
            value = getattr(self, name)
            if value is None and name == "closes_after_days":
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
                raise ValueError(f"{name} must be a number of at least 0, got {value!r}")
            if name.endswith(("percent", "a_day")) and value > 100:
                raise ValueError(f"{name} must lie in [0, 100], got {value!r}")


def lateness(due, handed_in, extension_days=0):
    """How long after its deadline a submission came, at least zero; zero where one of the times is not known."""
    if due is None or handed_in is None:
        return timedelta(0)
    return max(timedelta(0), handed_in - due - timedelta(days=extension_days))


def penalty_percent(late, policy):
    """What is taken, in percent of the points: 0 within the grace, 100 after the closing."""
    if late <= timedelta(minutes=policy.grace_minutes):
        return 0.0
    if policy.closes_after_days is not None and late > policy.closes_after_days * DAY:
        return 100.0
    return float(min(policy.cap_percent, policy.percent_a_day * math.ceil(late / DAY)))
