"""Facts that all tools share: where things are, and the repository that `_config.yml` names."""

from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
PLACEHOLDER = "https://github.com/OWNER/REPOSITORY"  # what `_config.yml` holds until `make configure`


@dataclass(frozen=True)
class Repository:
    """The course's home on GitHub: `https://github.com/OWNER/NAME`, and a branch or tag of it."""

    url: str
    branch: str = "main"

    @property
    def configured(self):
        return self.url != PLACEHOLDER

    @property
    def archive(self):
        """The files of the branch or tag, without history."""
        return f"{self.url}/archive/{self.branch}.zip"

    @property
    def site(self):
        """The book on GitHub Pages, with a slash at the end."""
        owner, name = self.url.rstrip("/").rsplit("/", 2)[-2:]
        host = f"https://{owner.lower()}.github.io/"
        return host if name.lower() == f"{owner.lower()}.github.io" else f"{host}{name}/"

    def colab(self, path):
        owner, name = self.url.rstrip("/").rsplit("/", 2)[-2:]
        return f"https://colab.research.google.com/github/{owner}/{name}/blob/{self.branch}/{path}"


def repository(root=ROOT):
    """The repository named in `_config.yml`."""
    named = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))["repository"]
    return Repository(named["url"].rstrip("/"), named["branch"])


def chapters(root=ROOT):
    """The sources of all chapters, in order."""
    return sorted((root / "chapters").glob("[0-9][0-9]_*.md"))
