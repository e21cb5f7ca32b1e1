// Shows live figures (anywidget modules) on the book's static pages: no kernel, no require.js,
// no html-manager, no request to another site.
// myst-nb writes the state of all widgets into one script tag of the page, and a view tag where each
// stands. A model that carries `_esm` is rendered here, by the same module that runs in Jupyter and
// Colab; anything else gets a sentence. A classic deferred script, so that it works from file:// too.
(() => {
"use strict";
const STATE = 'script[type="application/vnd.jupyter.widget-state+json"]';
const VIEW = 'script[type="application/vnd.jupyter.widget-view+json"]';

function bytes({ data, encoding }) {
  if (encoding === "base64") return Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  return Uint8Array.from(data.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** The part of Jupyter's widget model that a front-end module may use, without a kernel behind it. */
class Model {
  constructor({ state, buffers = [] }) {
    this.state = { ...state };
    this.listeners = new Map();
    for (const buffer of buffers) {
      let at = this.state;
      for (const key of buffer.path.slice(0, -1)) at = at[key];
      at[buffer.path.at(-1)] = new DataView(bytes(buffer).buffer);
    }
  }
  get(key) { return this.state[key]; }
  set(key, value) {
    const changes = typeof key === "object" ? key : { [key]: value };
    for (const [name, now] of Object.entries(changes)) {
      if (this.state[name] === now) continue;
      this.state[name] = now;
      this.fire(`change:${name}`, now);
    }
    this.fire("change");
  }
  fire(name, value) { for (const f of [...(this.listeners.get(name) ?? [])]) f(this, value); }
  on(name, f) { this.listeners.set(name, [...(this.listeners.get(name) ?? []), f]); }
  off(name, f) {
    if (!name) this.listeners.clear();
    else this.listeners.set(name, f ? (this.listeners.get(name) ?? []).filter((g) => g !== f) : []);
  }
  save_changes() {}
  send() {}
}

async function load(saved) {
  const url = URL.createObjectURL(new Blob([saved.state._esm], { type: "text/javascript" }));
  try {
    const module = await import(url);
    const widget = typeof module.default === "function" ? await module.default() : module.default;
    const model = new Model(saved);
    await widget.initialize?.({ model });
    return { model, widget };
  } finally {
    URL.revokeObjectURL(url);
  }
}

function say(tag, text, role) {
  const note = document.createElement("p");
  note.className = "afm-note";
  note.textContent = text;
  if (role) note.setAttribute("role", role);
  tag.after(note);
}

/** Render the view of one tag. A figure shown twice shares its model, as it does in Jupyter. */
async function show(tag, states, loaded) {
  const id = JSON.parse(tag.textContent).model_id;
  const saved = states[id];
  if (!saved) throw new Error("the page does not hold its state");
  if (!saved.state?._esm) {
    say(tag, "This control needs a running kernel: open the chapter in Colab or Jupyter to use it.");
    return;
  }
  if (!loaded.has(id)) loaded.set(id, load(saved));
  const { model, widget } = await loaded.get(id);
  const el = document.createElement("div");
  el.className = "afm-figure";
  tag.after(el);
  if (saved.state._css) {
    const style = document.createElement("style");
    style.textContent = saved.state._css;
    el.before(style);
  }
  await widget.render?.({ model, el });
}

const tags = document.querySelectorAll(VIEW);
if (tags.length) {
  let states = {};
  try {
    states = JSON.parse(document.querySelector(STATE)?.textContent ?? "{}").state ?? {};
  } catch (error) {
    console.error(error); // each view then says that its state is missing
  }
  const loaded = new Map();
  for (const tag of tags) {
    show(tag, states, loaded).catch((error) => {
      console.error(error);
      say(tag, `This figure could not be shown: ${error.message}.`, "alert");
    });
  }
}
})();
