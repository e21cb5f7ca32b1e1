"""Claims in the prose, and the pages that list them.

Roles:      {claim}`reproduced <id>` declares an outcome; {measured}`id` gives the measured number.
Directives: {claims-table} and {status-table} fill book/claims.md and book/status.md.
All numbers come from .executed/measured.json, which tools/execute.py harvests from the executed notebooks. A declared
outcome that differs from the measured one, an unknown id, and a claim that no prose declares or no cell measures are
warnings, and a warning stops the build.
"""

import json
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.errors import ExtensionError
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

from vae_lib.claims import registry

LOGGER = logging.getLogger(__name__)
LEAST_SHARE = 0.6  # of all claims measured in this build, not only recorded
EVIDENCE = {"live": "live: measured by the chapter's own cells",
            "recomputed": "recomputed in this build from committed weights",
            "recorded": "recorded when the weights were made"}


def load(app):
    """Read what the executed notebooks measured."""
    path = Path(app.srcdir) / ".executed" / "measured.json"
    if not path.exists():
        raise ExtensionError("no measurements: the book is built with `make book`, which executes the chapters first")
    app.env_measured = json.loads(path.read_text(encoding="utf-8"))
    app.env_claims = {row["id"]: row for row in app.env_measured["claims"]}
    app.env_declared = {}  # id -> the pages that declare it


def mismatch(claim, declared, row):
    """Why prose that calls `claim` `declared` is wrong, or None; `row` is its measurement or None."""
    if claim not in registry():
        return f"claim {claim!r} is not registered in vae_lib/claims.toml"
    if row is None:
        return f"claim {claim!r} was measured by no cell of {registry()[claim].chapter}"
    if declared is not None and declared != row["outcome"]:
        return (f"claim {claim!r} is declared {declared!r} here, but was {row['outcome']!r}: measured {row['shown']}, "
                f"expected {row['expected']}")
    return None


def omissions(claims, declared, existing):
    """What is missing, one sentence each: claims of `existing` chapters without declaration or measurement."""
    found = []
    for key, claim in registry().items():
        if claim.chapter not in existing:
            continue
        if key not in claims:
            found.append((claim.chapter, f"claim {key!r} is registered, but no cell of its chapter measures it"))
        elif f"chapters/{claim.chapter}" not in declared.get(key, ()):
            outcome = claims[key]["outcome"]
            found.append((claim.chapter, f"claim {key!r} was {outcome}, but its chapter's prose does not say so: "
                                         f"{{claim}}`{outcome} <{key}>`"))
    return found


def share_of_own(claims):
    """The share of claims that this build measured itself, live or recomputed."""
    return sum(row["evidence"] != "recorded" for row in claims) / len(claims) if claims else 1.0


class ClaimRole(SphinxRole):
    """A badge with the declared outcome, linked to the claim's row."""

    def run(self):
        outcome, _, claim = self.text.partition("<")
        outcome, claim = outcome.strip(), claim.rstrip("> ")
        if outcome not in ("reproduced", "refuted"):
            return [], [_warn(self, f"write {{claim}}`reproduced <id>` or `refuted <id>`, not {self.text!r}")]
        if why := mismatch(claim, outcome, self.env.app.env_claims.get(claim)):
            return [], [_warn(self, why)]
        self.env.app.env_declared.setdefault(claim, set()).add(self.env.docname)
        return [_badge(outcome, claim, self.env.docname)], []


class MeasuredRole(SphinxRole):
    """The measured number of a claim with its error and unit."""

    def run(self):
        row = self.env.app.env_claims.get(self.text)
        if why := mismatch(self.text, None, row):
            return [], [_warn(self, why)]
        return [nodes.inline("", row["shown"], classes=["measured"])], []


def _warn(role, message):
    LOGGER.warning(message, location=(role.env.docname, role.lineno))
    return nodes.system_message(message, level=2, type="WARNING", line=role.lineno, source=str(role.env.docname))


def _badge(outcome, claim, docname):
    link = pending_xref("", refdomain="std", reftype="ref", reftarget=f"claim-{claim}", refexplicit=True,
                        refwarn=True, refdoc=docname)
    link += nodes.inline("", outcome)
    return nodes.inline("", "", link, classes=["claim-badge", outcome])


def _page(chapter, docname):
    """A link to a chapter, with its title."""
    return pending_xref("", nodes.inline("", chapter), refdomain="std", reftype="doc", refexplicit=False, refwarn=True,
                        reftarget=f"/chapters/{chapter}", refdoc=docname)


def _table(kind, headings, rows, widths):
    """A docutils table of the class `kind`; each cell is a list of nodes."""
    group = nodes.tgroup("", *[nodes.colspec(colwidth=width) for width in widths], cols=len(headings))
    head = nodes.row("", *[nodes.entry("", nodes.paragraph(text=text)) for text in headings])
    body = [nodes.row("", *[nodes.entry("", *cell) for cell in row]) for row in rows]
    group += [nodes.thead("", head), nodes.tbody("", *body)]
    return nodes.table("", group, classes=["ledger", kind])


def _paragraph(*parts):
    return nodes.paragraph("", "", *[nodes.Text(part) if isinstance(part, str) else part for part in parts])


class ClaimsTable(SphinxDirective):
    """All measured claims, one table a chapter, and the share of them that this build measured."""

    def run(self):
        rows = self.env.app.env_measured["claims"]
        share = share_of_own(rows)
        if share < LEAST_SHARE:
            LOGGER.warning(f"only {share:.0%} of the claims are live or recomputed; at least {LEAST_SHARE:.0%} must be",
                           location=self.get_location())
        refuted = sum(row["outcome"] == "refuted" for row in rows)
        result = [_paragraph(f"{len(rows)} claims: {len(rows) - refuted} reproduced, {refuted} refuted. This build "
                             f"measured {share:.0%} of them itself, live or recomputed.")]
        for chapter in sorted({row["chapter"] for row in rows}):
            result += [_paragraph(nodes.strong("", "", _page(chapter, self.env.docname))),
                       _table("claims", ["Claim", "Expected", "Measured", "Evidence"],
                              [self._row(row) for row in rows if row["chapter"] == chapter], (40, 20, 20, 20))]
        return result

    def _row(self, row):
        anchor = f"claim-{row['id']}"
        name = nodes.strong("", row["id"], ids=[anchor], classes=["claim-id"])
        labels = self.env.get_domain("std")
        labels.anonlabels[anchor] = (self.env.docname, anchor)
        labels.labels[anchor] = (self.env.docname, anchor, row["id"])
        statement = [_paragraph(name, f": {row['statement']}.")]
        if row["source"]:
            statement += self.parse_text_to_nodes(f"Source: {{cite:t}}`{row['source']}`.")
        expected = row["expected"] + (f" (published: {row['published']:g})" if row["published"] is not None else "")
        badge = nodes.inline("", row["outcome"], classes=["claim-badge", row["outcome"]])
        return statement, [_paragraph(expected)], [_paragraph(row["shown"]), _paragraph(badge)], self._evidence(row)

    def _evidence(self, row):
        parts = [f"{row['images']:,} images" if row["images"] else "", row["bound"] and f"bound: {row['bound']}",
                 f"K = {row['k']}" if row["k"] else "",
                 f"seed{'s' if len(row['seeds']) > 1 else ''} {', '.join(map(str, row['seeds']))}"]
        found = [_paragraph(EVIDENCE[row["evidence"]] + "; " + "; ".join(filter(None, parts)) + ".")]
        if made := row.get("provenance"):
            found.append(_paragraph("Weights: recipe ", nodes.literal("", made["recipe"]), ", commit ",
                                    nodes.literal("", made["commit"][:10]), ", SHA-256 ",
                                    nodes.literal("", made["sha256"][:10]), "."))
        return found


class StatusTable(SphinxDirective):
    """How long each chapter took to execute, on what."""

    def run(self):
        chapters = self.env.app.env_measured["chapters"]
        rows = [[[_paragraph(_page(row["name"], self.env.docname))], [_paragraph(f"{row['seconds']:.1f}")],
                 [_paragraph(f"{max(row['cells'], default=0):.1f}")], [_paragraph(row["device"])],
                 [_paragraph(row["date"])]] for row in chapters]
        total = sum(row["seconds"] for row in chapters)
        result = [_paragraph(f"All chapters together took {total:.0f} s."),
                  _table("status", ["Chapter", "Seconds", "Slowest cell, seconds", "Device", "Executed on"], rows,
                         (25, 15, 15, 25, 20))]
        if chapters:
            versions = max(chapters, key=lambda row: row["date"])["versions"]
            result.append(_paragraph("Versions: " + ", ".join(f"{k} {v}" for k, v in versions.items()) + "."))
        return result


def check(app, env):
    """Warn about claims that are registered but not measured, or measured but not declared."""
    existing = {name.removeprefix("chapters/") for name in env.found_docs if name.startswith("chapters/")}
    for chapter, why in omissions(app.env_claims, app.env_declared, existing):
        LOGGER.warning(why, location=f"chapters/{chapter}")


def setup(app):
    app.connect("builder-inited", load)
    app.connect("env-check-consistency", check)
    app.add_role("claim", ClaimRole())
    app.add_role("measured", MeasuredRole())
    app.add_directive("claims-table", ClaimsTable)
    app.add_directive("status-table", StatusTable)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
