// What all live figures share: it stands before each figure's own file, in one ES module (modules.py).

/** A number with a true minus sign, and no minus before a zero. */
const minus = (value, digits) => value.toFixed(digits).replace(/^-(0(?:\.0+)?)$/, "$1").replace("-", "−");

/** Dark or light: what the page says (book, JupyterLab, VS Code, Colab), else what the reader's system says. */
function isDark() {
  const root = document.documentElement;
  const body = document.body;
  const said = root.dataset.theme || root.getAttribute("theme");
  if (said === "dark" || said === "light") return said === "dark";
  if (body.dataset.jpThemeLight) return body.dataset.jpThemeLight === "false";
  if (body.classList.contains("vscode-dark") || body.classList.contains("vscode-light")) {
    return body.classList.contains("vscode-dark");
  }
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

function element(space, tag, attributes, children) {
  const node = document.createElementNS(space, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** An element of the page. */
const make = (tag, attributes = {}, ...children) => element("http://www.w3.org/1999/xhtml", tag, attributes, children);

/** An element of a drawing. */
const draw = (tag, attributes = {}, ...children) => element("http://www.w3.org/2000/svg", tag, attributes, children);
