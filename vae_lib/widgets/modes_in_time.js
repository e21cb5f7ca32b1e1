// Draws of several models while they train, as one ES module with three hosts: anywidget in Jupyter and Colab, and
// the book's static pages (afm_host.js), where no kernel runs. The draws were recorded; nothing is trained here.
// common.js stands before it.

// ---------------------------------------------------------------- the numbers

/** The points of one model at one moment, as [x, y] pairs in [-limit, limit]. */
export function points(bytes, { models, moments, limit }, model, moment) {
  const n = bytes.length / (2 * models * moments);
  const from = 2 * n * (model * moments + moment);
  const at = (k) => (bytes[from + k] / 127.5 - 1) * limit;
  return Array.from({ length: n }, (_, k) => [at(2 * k), at(2 * k + 1)]);
}

// ---------------------------------------------------------------- the look

const CSS = `
.mt { --ground: #ffffff; --ink: #1b1f24; --soft: #57606a; --line: #d5dae0; --first: #0072b2; --second: #c25400; --focus: #0b5fb0;
  --hover: #eef1f4; box-sizing: border-box; width: 100%; max-width: 46rem; margin: .5rem 0; padding: 1rem; border: 1px solid var(--line);
  border-radius: 10px; background: var(--ground); color: var(--ink); font-size: 1rem; line-height: 1.4; text-align: left; }
.mt.mt-dark { --ground: #14181d; --ink: #e9ecef; --soft: #a8b1bb; --line: #3a424c; --first: #56b4e9; --second: #ff9a5c; --focus: #7cb8ff;
  --hover: #232a32; }
.mt * { box-sizing: border-box; }
.mt-title { margin: 0 0 .75rem; font-weight: 600; color: var(--ink); }
.mt-models { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .75rem; }
.mt figure { margin: 0; min-width: 0; }
.mt canvas { display: block; width: 100%; aspect-ratio: 1; border: 1px solid var(--line); }
.mt figcaption { margin: .35rem 0 0; font-size: .9rem; color: var(--ink); font-variant-numeric: tabular-nums; text-align: left; }
.mt figcaption b { display: block; }
.mt-controls { display: flex; gap: .75rem; align-items: center; margin: .75rem 0 .25rem; }
.mt label { display: flex; flex: 1; gap: .6rem; align-items: center; min-width: 0; margin: 0; font-size: .9rem; color: var(--ink); font-weight: 400; }
.mt-time { flex: none; width: 8.2rem; white-space: nowrap; font-variant-numeric: tabular-nums; }
.mt input[type=range] { flex: 1; min-width: 0; width: 100%; height: 28px; margin: 0; padding: 0; accent-color: var(--second); background: none; }
.mt button { font: inherit; font-size: .9rem; color: var(--ink); background: var(--ground); border: 1px solid var(--soft); border-radius: 6px;
  min-height: 32px; min-width: 4.2rem; padding: .2rem .6rem; cursor: pointer; }
.mt button:hover { background: var(--hover); }
.mt :focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; border-radius: 6px; }
.mt-note, .mt-error { margin: 0; font-size: .85rem; color: var(--soft); }
.mt-error { font-size: 1rem; color: var(--ink); }
@media (max-width: 30rem) { .mt { padding: .75rem; } .mt-controls { flex-wrap: wrap; } .mt label { flex-basis: 100%; } }
`;

const PAUSE = 200; // milliseconds between two moments when the figure plays
const thousands = (n) => n.toString().replace(/\B(?=(\d{3})+$)/g, ",");

// ---------------------------------------------------------------- the figure

/** What the model holds, checked; it throws an error in words. */
function read(model) {
  const [names, steps, kept, quality] = ["names", "steps", "kept", "quality"].map((name) => model.get(name));
  const view = model.get("points");
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  const limit = model.get("limit");
  const shape = { models: names.length, moments: steps.length, limit };
  if (!bytes.length || bytes.length % (2 * shape.models * shape.moments)) {
    throw new Error(`${bytes.length} bytes are no ${shape.models} × ${shape.moments} frames of points`);
  }
  if (!(limit > 0)) throw new Error(`limit must be positive, got ${limit}`);
  return { names, steps, kept, quality, bytes, shape, means: model.get("means") };
}

function build(label, held) {
  const ui = { root: make("div", { class: "mt", role: "group", "aria-label": label }, make("style", {}, CSS)) };
  if (label) ui.root.append(make("p", { class: "mt-title" }, label));
  ui.panels = held.names.map((name) => {
    const canvas = make("canvas", { role: "img" });
    const line = make("span");
    return { canvas, line, figure: make("figure", {}, canvas, make("figcaption", {}, make("b", {}, name), line)) };
  });
  ui.time = make("span", { class: "mt-time" });
  ui.range = make("input", { type: "range", min: 0, max: held.steps.length - 1, step: 1, "aria-label": "Batches seen" });
  ui.play = make("button", { type: "button" }, "Play");
  const rings = held.means.length ? ` Rings: the ${held.means.length} modes of the data.` : "";
  ui.root.append(make("div", { class: "mt-models" }, ...ui.panels.map((panel) => panel.figure)),
    make("div", { class: "mt-controls" }, make("label", {}, ui.time, ui.range), ui.play),
    make("p", { class: "mt-note" }, `Each dot is one draw, recorded while the model trained.${rings} Drag the slider, or press Play.`));
  return ui;
}

function paint(panel, held, k, moment, colours) {
  const { canvas } = panel;
  const side = canvas.clientWidth;
  const ratio = globalThis.devicePixelRatio || 1;
  canvas.width = canvas.height = Math.max(1, Math.round(side * ratio));
  const g = canvas.getContext("2d");
  g.scale(ratio, ratio);
  const at = (v) => (side * (v + held.shape.limit)) / (2 * held.shape.limit);
  g.strokeStyle = colours.soft;
  for (const [x, y] of held.means) {
    g.beginPath();
    g.arc(at(x), side - at(y), Math.max(3, side / 60), 0, 2 * Math.PI);
    g.stroke();
  }
  g.fillStyle = colours.rows[k % colours.rows.length];
  g.globalAlpha = 0.7;
  for (const [x, y] of points(held.bytes, held.shape, k, moment)) {
    g.beginPath();
    g.arc(at(x), side - at(y), side < 220 ? 1.3 : 1.8, 0, 2 * Math.PI);
    g.fill();
  }
}

function render({ model, el }) {
  let held;
  try {
    held = read(model);
  } catch (error) {
    console.error(error);
    el.replaceChildren(make("div", { class: "mt" }, make("style", {}, CSS),
      make("p", { class: "mt-error", role: "alert" }, `This figure could not be shown: ${error.message}.`)));
    return undefined;
  }
  const ui = build(model.get("label"), held);
  let queued = false, timer = null;

  function draw() {
    queued = false;
    if (!ui.root.clientWidth) return; // not on the page, or hidden
    const moment = model.get("frame");
    const style = getComputedStyle(ui.root);
    const ink = (name) => style.getPropertyValue(`--${name}`).trim();
    const colours = { soft: ink("soft"), rows: [ink("first"), ink("second")] };
    const batches = `${thousands(held.steps[moment])} batches`;
    ui.time.textContent = batches;
    ui.range.value = moment;
    ui.range.setAttribute("aria-valuetext", batches);
    ui.panels.forEach((panel, k) => {
      const good = (100 * held.quality[k][moment]).toFixed(0);
      panel.line.textContent = `${held.kept[k][moment]} modes, ${good} % good draws`;
      panel.canvas.setAttribute("aria-label", `Draws of ${held.names[k]} after ${batches}: `
        + `${held.kept[k][moment]} of ${held.means.length} modes reached, ${good} % of the draws within one.`);
      paint(panel, held, k, moment, colours);
    });
  }
  function ask() {
    if (!queued) requestAnimationFrame(draw);
    queued = true;
  }
  function put(frame) {
    model.set("frame", frame);
    model.save_changes();
    ask();
  }
  function stop() {
    clearInterval(timer);
    timer = null;
    ui.play.textContent = "Play";
  }
  function play() {
    if (timer !== null) return stop();
    const last = held.steps.length - 1;
    put(model.get("frame") >= last ? 0 : model.get("frame"));
    ui.play.textContent = "Pause";
    timer = setInterval(() => {
      put(Math.min(last, model.get("frame") + 1));
      if (model.get("frame") >= last) stop();
    }, PAUSE);
    return undefined;
  }
  function repaint() {
    ui.root.classList.toggle("mt-dark", isDark());
    ask();
  }

  ui.range.addEventListener("input", () => { stop(); put(Number(ui.range.value)); });
  ui.play.addEventListener("click", play);
  model.on("change:frame", ask);
  const themes = new MutationObserver(repaint);
  themes.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme", "theme"] });
  themes.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "class"] });
  const system = matchMedia("(prefers-color-scheme: dark)");
  system.addEventListener("change", repaint);
  const sizes = new ResizeObserver(ask);
  sizes.observe(ui.root);
  el.replaceChildren(ui.root);
  repaint();
  return () => {
    stop();
    model.off("change:frame", ask);
    themes.disconnect();
    sizes.disconnect();
    system.removeEventListener("change", repaint);
  };
}

export default { render };
