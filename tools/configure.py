"""Write the course's GitHub address into `_config.yml`, its only place, and derive everything anew.

python tools/configure.py [https://github.com/OWNER/NAME [BRANCH OR TAG]]; without an address, that of the
git remote `origin` is taken.
"""

import re
import subprocess
import sys

import make_notebooks
from course import ROOT

GITHUB = re.compile(r"^https://github\.com/[\w.-]+/[\w.-]+$")


def origin():
    """The GitHub address of the remote `origin`, or ""."""
    found = subprocess.run(["git", "-C", ROOT, "remote", "get-url", "origin"], capture_output=True, text=True)
    address = re.sub(r"^(?:ssh://)?git@github\.com[:/]", "https://github.com/", found.stdout.strip())
    address = address.removesuffix(".git")
    return address if GITHUB.match(address) else ""


def write(address, branch="main", root=ROOT):
    """Replace `repository.url` and `repository.branch` in `_config.yml`."""
    config = root / "_config.yml"
    text = config.read_text(encoding="utf-8")
    new = re.sub(r"(?m)^repository:\n  url: .*\n  branch: .*$",
                 lambda _: f"repository:\n  url: {address}\n  branch: {branch}", text, count=1)
    if new == text and f"url: {address}\n  branch: {branch}" not in text:
        sys.exit("_config.yml has no `repository:` with `url:` and `branch:` below it")
    config.write_text(new, encoding="utf-8")


def main(words):
    address = (words[0] if words else origin()).rstrip("/").removesuffix(".git")
    if not GITHUB.match(address):
        sys.exit("say where the course is kept: make configure REPO=https://github.com/OWNER/NAME")
    write(address, *words[1:2])
    print(f"the course is kept at {address}")
    make_notebooks.main()


if __name__ == "__main__":
    main([word for word in sys.argv[1:] if word])
