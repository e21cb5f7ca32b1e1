"""MyST text as the plain Markdown that Jupyter and Colab show.

`Converter` turns roles and directives into links, boxes and formulas; one it does not know is an error, so that
no raw syntax can leak. `Index` knows what a label, a document or a citation stands for.
"""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

import yaml
from pybtex.database import parse_file
from statements import listed

BOXES = ("note", "tip", "hint", "important", "warning", "caution", "attention", "danger", "error", "seealso",
         "admonition", "margin", "sidebar", "topic", "epigraph", "div")
PROOFS = ("theorem", "lemma", "definition", "proposition", "corollary", "remark", "example", "property", "algorithm",
          "assumption", "observation", "proof")
FENCE = re.compile(r"^( *)(`{3,}|~{3,}|:{3,})(?:\{([^}\s]+)\})?[ \t]*(.*)$")
TARGET = re.compile(r"^\(([^()\s]+)\)=\s*$")
MATH_END = re.compile(r"\$\$[ \t]*(?:\(([^()\s]+)\))?[ \t]*$")
INLINE = re.compile(
    r"\{(?P<role>[A-Za-z][\w:.+-]*)\}(?P<tick>`+)(?P<body>.+?)(?<!`)(?P=tick)(?!`)"  # a role
    r"|(?<!`)(?P<code>`+)(?!`).+?(?<!`)(?P=code)(?!`)"                                # code: stays
    r"|(?P<image>!)?\[(?P<text>[^\]\[]*)\]\((?P<url>[^)\s]+)\)"                       # a link or an image
    r"|(?P<footnote>\[\^[^\]\s]+\])", re.S)
LEAKS = re.compile(r"^ *:::|^ *```+\{|\{[A-Za-z][\w:.+-]*\}`|^\([^()\s]+\)=\s*$|^%", re.M)


class Unsupported(ValueError):
    """Syntax that has no plain form; `snippet` is a piece of the source to find it by."""

    def __init__(self, snippet, advice):
        super().__init__(advice)
        self.snippet = snippet


@dataclass(frozen=True)
class Directive:
    name: str
    argument: str
    options: dict
    body: str
    opening: str  # the line it starts with

    @property
    def label(self):
        return self.options.get("label") or self.options.get("name")

    @property
    def folded(self):
        return self.name == "dropdown" or "dropdown" in str(self.options.get("class", "")).split()


def blocks(text):
    """Split MyST text into ("text", str), ("code", str), ("math", str) and ("directive", Directive)."""
    lines, plain = text.split("\n"), []
    at = 0
    while at < len(lines):
        line, start = lines[at], at
        fence = FENCE.match(line)
        if not fence and not line.startswith("$$"):
            plain.append(line)
            at += 1
            continue
        if plain:
            yield "text", "\n".join(plain)
            plain = []
        if fence:
            indent, marks, name, argument = fence.groups()
            at = _closing(lines, at, marks)
            inside = lines[start + 1:at]
            if name and indent:
                raise Unsupported(line, f"start the directive {{{name}}} at the beginning of the line")
            if name:
                yield "directive", Directive(name, argument.strip(), *_options(inside), line)
            elif marks[0] == ":":
                raise Unsupported(line, "this ::: opens nothing: name a directive, as in :::{note}")
            else:
                yield "code", "\n".join(lines[start:at + 1])
        else:
            while not MATH_END.search(lines[at][2:] if at == start else lines[at]):
                at += 1
                if at == len(lines):
                    raise Unsupported(line, "this $$ is never closed")
            yield "math", "\n".join(lines[start:at + 1])
        at += 1
    if plain:
        yield "text", "\n".join(plain)


def _closing(lines, start, marks):
    closing = re.compile(rf"^ *{re.escape(marks[0])}{{{len(marks)},}}\s*$")
    for at in range(start + 1, len(lines)):
        if closing.match(lines[at]):
            return at
    raise Unsupported(lines[start], f"this {marks} is never closed")


def _options(lines):
    """The options of a directive, given as `:key: value` lines or as YAML between `---`, and what follows."""
    if lines and lines[0].strip() == "---":
        end = next(k for k, line in enumerate(lines[1:], 1) if line.strip() == "---")
        return yaml.safe_load("\n".join(lines[1:end])) or {}, "\n".join(lines[end + 1:]).strip("\n")
    options, k = {}, 0
    while k < len(lines) and (found := re.match(r"^:([\w-]+):\s*(.*)$", lines[k])):
        options[found[1]] = found[2].strip()
        k += 1
    return options, "\n".join(lines[k:]).strip("\n")


@dataclass(frozen=True)
class Entry:
    """What a label stands for: its page, its title or caption, and "figure 5.1" as kind and number."""

    page: str
    title: str = ""
    kind: str = "section"
    number: str = ""


class Index:
    """Labels, titles and citations of all pages.

    Figures, equations, exercises and proofs are numbered within a chapter, by the two digits of its file:
    `book/_ext/numbering.py` gives the site the same numbers.
    """

    def __init__(self, root, repository):
        self.root, self.repository = root, repository
        self.labels, self.titles = {}, {}
        for path in sorted([*root.glob("book/*.md"), *root.glob("chapters/*.md")]):
            self._read(path.relative_to(root).with_suffix("").as_posix(), path.read_text(encoding="utf-8"))
        bibliography = root / "book" / "references.bib"
        self.entries = parse_file(str(bibliography), "bibtex").entries if bibliography.exists() else {}

    def _read(self, page, text):
        chapter = re.match(r"chapters/(\d\d)_", page)
        counts = {}

        def number(kind):
            counts[kind] = counts.get(kind, 0) + 1
            return f"{int(chapter[1])}.{counts[kind]}" if chapter else str(counts[kind])

        text = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.S)
        pending = []
        for kind, block in blocks(text):
            if kind == "text":
                for line in block.split("\n"):
                    if target := TARGET.match(line):
                        pending.append(target[1])
                    elif heading := re.match(r"^(#+) +(.+?)\s*$", line):
                        self.titles.setdefault(page, heading[2])
                        for label in pending:
                            self.labels[label] = Entry(page, heading[2])
                        pending = []
            elif kind == "math" and (label := MATH_END.search(block)[1]):
                self.labels[label] = Entry(page, "", "equation", number("equation"))
            elif kind == "directive":
                self._directive(page, block, number)

    def _directive(self, page, block, number):
        name, label = block.name, block.label
        if name == "code-cell":
            figure = (block.options.get("mystnb") or {}).get("figure") or {}
            if figure.get("caption"):
                entry = Entry(page, str(figure["caption"]).strip(), "figure", number("figure"))
                self.labels[figure.get("name") or f"{page}#figure-{entry.number}"] = entry
        elif name == "math" and label:
            self.labels[label] = Entry(page, "", "equation", number("equation"))
        elif name == "figure" and block.body.strip():
            entry = Entry(page, block.body.strip().split("\n\n")[0], "figure", number("figure"))
            self.labels[label or f"{page}#figure-{entry.number}"] = entry
        elif "nonumber" in block.options or name == "prf:proof":
            return
        elif name in ("exercise", "exercise-start") or name.startswith("prf:"):
            kind = name.removeprefix("prf:").removesuffix("-start")
            entry = Entry(page, block.argument, kind, number(kind))
            self.labels[label or f"{page}#{kind}-{entry.number}"] = entry

    def link(self, page, fragment=""):
        """A page of the book: on the site, or beside the notebook until the repository is configured."""
        end = f"#{fragment}" if fragment else ""
        if self.repository.configured:
            return f"{self.repository.site}{page}.html{end}"
        return f"{page.removeprefix('chapters/')}.ipynb" if page.startswith("chapters/") else f"../{page}.md"

    def notebook(self, path):
        """A notebook to work in, in Colab or beside this one; `path` is relative to the root."""
        return self.repository.colab(path) if self.repository.configured else f"../{path}"

    def image(self, path):
        """A static image; `path` is relative to the root."""
        if self.repository.configured:
            return f"{self.repository.site}_images/{PurePosixPath(path).name}"
        return f"../{path}"

    def citation(self, key):
        """(authors, year) of an entry of the bibliography."""
        entry = self.entries[key]
        names = [" ".join(person.last_names) or str(person) for person in entry.persons.get("author", [])]
        names = [re.sub(r"[{}]", "", name) for name in names] or [entry.fields.get("title", key)]
        who = f"{names[0]} et al." if len(names) > 2 else " & ".join(names)
        return who, entry.fields.get("year", "n.d.")


class Converter:
    """Plain Markdown for one page; `page` is its path without suffix, such as "chapters/05_first_vae"."""

    def __init__(self, page, index):
        self.page, self.index = page, index

    def convert(self, text):
        """Plain Markdown for MyST `text`.

        Raises
            Unsupported: syntax without a plain form.
        """
        parts = []
        for kind, block in blocks(text):
            if kind == "text":
                parts.append(self._text(block))
            elif kind == "math":
                parts.append(self._dollars(block))
            elif kind == "code":
                parts.append(block)
            else:
                parts.append(self._directive(block))
        return re.sub(r"\n{3,}", "\n\n", "\n".join(part for part in parts if part is not None)).strip("\n")

    # blocks

    def _text(self, text):
        kept = [line for line in text.split("\n") if not line.startswith("%") and not TARGET.match(line)]
        text = INLINE.sub(self._inline, "\n".join(kept))
        if leak := LEAKS.search(re.sub(r"(`+)[^`].*?\1", "", text)):
            raise Unsupported(leak[0], f"{leak[0]!r} would be shown raw")
        return text

    def _dollars(self, block):
        end = MATH_END.search(block)
        return self._formula(block[2:end.start()], end[1])

    def _formula(self, body, label):
        tag = f" \\tag{{{self.index.labels[label].number}}}" if label else ""
        return f"\n$$\n{body.strip()}{tag}\n$$\n"

    def _directive(self, block):
        name, kind = block.name, block.name.removeprefix("prf:")
        if name == "math":
            return self._formula("\n".join(filter(None, [block.argument, block.body])), block.label)
        if name in BOXES or (name.startswith("prf:") and kind in PROOFS) or name == "dropdown":
            return self._box(self._heading(block), self.convert(block.body), block.folded)
        if name == "exercise":
            return self._box(self._heading(block), self.convert(block.body), block.folded)
        if name in ("solution", "solution-start"):
            title = f"Solution of {self._named(block.argument, block.opening)}"
            return self._box(title, self.convert(block.body), True) if name == "solution" else f"**{title}**\n"
        if name == "exercise-start":
            return f"**{self._heading(block)}**\n\n{self.convert(block.body)}"
        if name in ("exercise-end", "solution-end", "index"):
            return None
        if name == "graded-tasks":
            return self.convert(listed(self.index.root, PurePosixPath(self.page).name))
        if name in ("figure", "image"):
            return self._figure(block)
        if name == "table":
            return f"**{self._text(block.argument)}**\n\n{self.convert(block.body)}"
        if name in ("code-block", "code", "sourcecode"):
            return f"```{block.argument}\n{block.body}\n```"
        raise Unsupported(block.opening, f"the directive {{{name}}} has no plain form for Jupyter: use one that "
                                         "tools/myst.py knows, or teach it this one")

    def _heading(self, block):
        kind = block.name.removeprefix("prf:").removesuffix("-start")
        title = self._text(block.argument)
        if block.name in BOXES or kind == "dropdown":
            word = {"seealso": "See also"}.get(kind, kind.capitalize())
            return title or ("" if kind in ("div", "epigraph", "margin", "admonition") else word)
        number = self.index.labels[block.label].number if block.label in self.index.labels else ""
        return f"{kind.capitalize()} {number}".strip() + (f" ({title})" if title else "")

    @staticmethod
    def _box(title, body, folded):
        if folded:
            return f"<details><summary>{title or 'More'}</summary>\n\n{body}\n\n</details>\n"
        lines = ([f"**{title}**", ""] if title else []) + body.split("\n")
        return "\n".join(f"> {line}".rstrip() for line in lines) + "\n"

    def _figure(self, block):
        path = self._path(block.argument, block.opening)
        alt = block.options.get("alt", "")
        if not alt:
            raise Unsupported(block.opening, "an image needs :alt: what is to be seen")
        shown = f"![{alt}]({self.index.image(path)})"
        if block.name == "image" or not block.body.strip():
            return shown
        number = self.index.labels.get(block.label or "", Entry(self.page)).number
        return f"{shown}\n\n{self.caption(block.body, number)}"

    def caption(self, text, number=""):
        """The line under a figure."""
        head = f"**Figure {number}.** " if number else ""
        return head + self.convert(str(text).strip())

    def _path(self, path, snippet):
        """A path as a page writes it, relative to the root."""
        if path.startswith("/"):
            return path[1:]
        parts = list(PurePosixPath(self.page).parent.parts)
        for part in PurePosixPath(path).parts:
            if part == "..":
                if not parts:
                    raise Unsupported(snippet, f"{path} leaves the repository")
                parts.pop()
            else:
                parts.append(part)
        return "/".join(parts)

    # inside a line

    def _inline(self, match):
        if match["role"]:
            return self._role(match["role"], re.sub(r"\s*\n\s*", " ", match["body"]), match[0])
        if match["footnote"]:
            raise Unsupported(match[0], "Jupyter shows no footnotes: say it in the text or in a {note}")
        if match["url"] is None:
            return match[0]
        return self._link(match)

    def _link(self, match):
        url, text = match["url"], match["text"]
        if re.match(r"^[a-z]+:", url):
            return match[0]
        if match["image"]:
            if not text:
                raise Unsupported(match[0], "an image needs alt text: what is to be seen")
            return f"![{text}]({self.index.image(self._path(url, match[0]))})"
        path, _, fragment = url.partition("#")
        if not path:
            return self._to(fragment, text, match[0])
        if path.endswith(".md"):
            page = self._path(path.removesuffix(".md"), match[0])
            return f"[{text or self._title(page, match[0])}]({self.index.link(page, fragment)})"
        return f"[{text}]({self.index.repository.url}/blob/{self.index.repository.branch}/{self._path(path, match[0])})"

    def _role(self, role, body, snippet):
        text, target = body, body
        if explicit := re.match(r"^(.*?)\s*<([^<>]+)>$", body, re.S):
            text, target = explicit.groups()
        given = text if explicit else ""
        if role == "term":
            slug = re.sub(r"[^a-zA-Z0-9._]+", "-", target).strip("-")
            return f"[{text}]({self.index.link('book/glossary', f'term-{slug}')})"
        if role in ("ref", "prf:ref", "numref", "eq"):
            return self._to(target, given, snippet, numbered=role != "ref")
        if role == "doc":
            page = self._path(target, snippet)
            return f"[{given or self._title(page, snippet)}]({self.index.link(page)})"
        if role == "download" and target.endswith(".ipynb"):
            return f"[{text}]({self.index.notebook(self._path(target, snippet))})"
        if role in ("cite", "cite:p", "cite:t"):
            return self._cite(role, body, snippet)
        if role == "claim":
            return f"[{text} (claim {target})]({self.index.link('book/claims', f'claim-{target}')})"
        if role == "measured":
            return f"[the measured value]({self.index.link('book/claims', f'claim-{target}')})"
        if role == "math":
            return f"${body}$"
        if role in ("kbd", "sub", "sup"):
            return f"<{role}>{body}</{role}>"
        raise Unsupported(snippet, f"the role {{{role}}} has no plain form for Jupyter: use one that tools/myst.py "
                                   "knows, or teach it this one")

    def _entry(self, label, snippet):
        if label not in self.index.labels:
            raise Unsupported(snippet, f"no page has the label {label!r}")
        return self.index.labels[label]

    def _named(self, label, snippet):
        entry = self._entry(label, snippet)
        return f"{entry.kind.capitalize()} {entry.number}".strip() if entry.number else entry.title

    def _to(self, label, text, snippet, numbered=False):
        entry = self._entry(label, snippet)
        if entry.kind == "equation":
            shown = text.replace("%s", entry.number) or f"({entry.number})"
        elif numbered and entry.number:
            shown = text.replace("%s", entry.number).replace("{number}", entry.number) or self._named(label, snippet)
        else:
            shown = text or (self._text(entry.title) if entry.title else self._named(label, snippet))
        if entry.page == self.page and entry.number:
            return shown  # in the same notebook, and it has a number to find it by
        return f"[{shown}]({self.index.link(entry.page, label)})"

    def _title(self, page, snippet):
        if page not in self.index.titles:
            raise Unsupported(snippet, f"there is no page {page}.md")
        return self.index.titles[page]

    def _cite(self, role, keys, snippet):
        link, shown = self.index.link("book/references"), []
        for key in re.split(r"\s*,\s*", keys.strip()):
            if key not in self.index.entries:
                raise Unsupported(snippet, f"book/references.bib has no entry {key!r}")
            who, year = self.index.citation(key)
            shown.append(f"[{who} ({year})]({link})" if role == "cite:t" else f"[{who}, {year}]({link})")
        return ", ".join(shown) if role == "cite:t" else f"({'; '.join(shown)})"
