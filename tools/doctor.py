"""Name what this machine lacks for the book, and the command that installs it.

python3 tools/doctor.py [setup|book|test] [--install]: what is needed for that alone decides the exit code. With
--install, a Debian machine where it may (root, apt-get) gets what is missing. Runs on any Python 3, outside .venv.
"""

import ctypes.util
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DISK = 12  # GB: the CUDA build of torch, its download, the book
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MAC_BROWSERS = ("/Applications/Chromium.app", "/Applications/Google Chrome.app")


class Need:
    """One thing: whether it is here, what it is for, which command installs it."""

    def __init__(self, name, here, why, stages, debian, mac):
        self.name, self.here, self.why, self.stages, self.debian, self.mac = name, here, why, stages, debian, mac

    @property
    def command(self):
        if platform.system() == "Darwin":
            return self.mac
        return "apt-get install -y " + self.debian if self.debian else self.mac


def needs():
    """All that the course uses of the system, and for which stages it must be there."""
    everything = ("setup", "book", "test")
    ready = (ROOT / ".venv" / ".set-up").exists()
    disk = shutil.disk_usage(str(ROOT)).free / 1e9
    browser = any(map(shutil.which, BROWSERS)) or any(Path(path).exists() for path in MAC_BROWSERS)
    venv = all(importlib.util.find_spec(name) for name in ("venv", "ensurepip"))
    sandbox = bool(shutil.which("bwrap")) or platform.system() != "Linux"
    found = "Python %d.%d" % sys.version_info[:2]  # noqa: UP031  (older Pythons must be able to say this)
    return [
        Need("Python 3.11 or newer (this is " + found + ")", sys.version_info >= (3, 11), "everything", everything,
             "python3.11 python3.11-venv", "brew install python@3.11"),
        Need("the modules venv and ensurepip", venv or ready, "everything", everything, "python3-venv",
             "brew install python@3.11"),
        Need("%d GB of free disk (free: %.0f GB)" % (DISK, disk), ready or disk >= DISK,  # noqa: UP031
             "torch with CUDA", everything, "", "free some disk space, or clone to a larger disk"),
        Need("git", shutil.which("git"), "provenance of weights", everything, "git", "xcode-select --install"),
        Need("Chromium", browser, "tests of the pages", ("test",), "chromium", "brew install --cask chromium"),
        Need("bubblewrap", sandbox, "tests of grading", ("test",), "bubblewrap", ""),
        Need("a C++ compiler", any(map(shutil.which, ("g++", "c++", "clang++"))), "torch.compile, optional", (),
             "g++", "xcode-select --install"),
        Need("OpenMP", platform.system() != "Darwin" or ctypes.util.find_library("omp"), "torch.compile, optional", (),
             "", "brew install libomp"),
    ]


def main(words):
    stage = next((word for word in words if not word.startswith("-")), "")
    install = "--install" in words
    stages = (stage,) if stage else ("book", "test")
    required = [need for need in needs() if set(stages) & set(need.stages)]
    missing = [need for need in required if not need.here]
    if install and missing and shutil.which("apt-get") and os.geteuid() == 0:
        packages = [word for need in missing for word in need.debian.split()]
        if packages:
            print("installing: " + " ".join(packages), flush=True)
            quiet = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
            subprocess.call(["apt-get", "update", "-qq"], env=quiet)
            subprocess.call(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], env=quiet,
                            stdout=subprocess.DEVNULL)
            names = {need.name for need in required}
            missing = [need for need in needs() if need.name in names and not need.here]
    for need in (needs() if not stage else missing):
        state = "ok     " if need.here else "MISSING" if need.stages else "absent "
        print(state + " " + need.name + (": for " + need.why + "; " + need.command if not need.here else ""))
    return bool(missing)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
