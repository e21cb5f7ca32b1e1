// The fault map as one ES module with three hosts: anywidget in Jupyter and Colab, and the book's static pages
// (afm_host.js), where no kernel runs. Encoder and decoder are in the model, in 8-bit weights, and run here.
// common.js and network.js stand before it.

// ---------------------------------------------------------------- the numbers

/** The squared error of each pixel of an image of bytes, standardised, and their sum. */
export function judge({ layers, mean, scale }, pixels) {
  const x = Float32Array.from(pixels, (value, k) => (value / 255 - mean[k]) / scale);
  const answer = run(layers, x);
  const map = x.map((value, k) => (value - answer[k]) ** 2);
  return { map, score: map.reduce((a, b) => a + b, 0), answer: answer.map((value, k) => value * scale + mean[k]) };
}

// ---------------------------------------------------------------- the look

const CSS = `
.fm { --ground: #ffffff; --ink: #1b1f24; --soft: #57606a; --line: #d5dae0; --alarm: #b02a00; --calm: #0b5fb0; --focus: #0b5fb0; --hover: #eef1f4;
  box-sizing: border-box; width: 100%; max-width: 46rem; margin: .5rem 0; padding: 1rem; border: 1px solid var(--line);
  border-radius: 10px; background: var(--ground); color: var(--ink); font-size: 1rem; line-height: 1.4; text-align: left; }
.fm.fm-dark { --ground: #14181d; --ink: #e9ecef; --soft: #a8b1bb; --line: #3a424c; --alarm: #ff8a5c; --calm: #7cb8ff; --focus: #7cb8ff; --hover: #232a32; }
.fm * { box-sizing: border-box; }
.fm-title { margin: 0 0 .5rem; font-weight: 600; color: var(--ink); }
.fm-row { display: flex; flex-wrap: wrap; gap: .4rem; align-items: center; margin: 0 0 .6rem; font-size: .9rem; color: var(--ink); }
.fm button { font: inherit; font-size: .9rem; color: var(--ink); background: var(--ground); border: 1px solid var(--soft); border-radius: 6px;
  min-height: 32px; padding: .2rem .6rem; cursor: pointer; }
.fm button:hover { background: var(--hover); }
.fm button[aria-pressed=true] { border-color: var(--ink); box-shadow: inset 0 0 0 1px var(--ink); font-weight: 600; }
.fm-pair { display: flex; flex-wrap: wrap; gap: .75rem 1rem; }
.fm-pair > div { flex: 1 1 8rem; max-width: 15rem; min-width: 0; }
.fm canvas { display: block; width: 100%; image-rendering: pixelated; background: #000; border: 1px solid var(--line); border-radius: 4px; }
.fm-paper { cursor: crosshair; touch-action: none; }
.fm-caption { margin: .25rem 0 0; font-size: .85rem; color: var(--soft); }
.fm-scale { position: relative; height: 26px; margin: 1rem 0 0; border: 1px solid var(--soft); border-radius: 4px; }
.fm-bar { position: absolute; inset: 0 auto 0 0; background: var(--calm); border-radius: 3px; }
.fm-alarm .fm-bar { background: var(--alarm); }
.fm-mark { position: absolute; top: -6px; bottom: -6px; width: 3px; margin-left: -1px; background: var(--ink); }
.fm-verdict { margin: .6rem 0 0; font-variant-numeric: tabular-nums; font-size: .95rem; color: var(--ink); }
.fm :focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; }
.fm-note { margin: .5rem 0 0; font-size: .85rem; color: var(--soft); }
.fm-error { margin: 0; }
@media (max-width: 30rem) { .fm { padding: .75rem; } }
`;

const BRUSHES = [["hole", 0], ["scratch", 255], ["mend", -1]];
const LARGEST = 6; // a squared error that is shown white

/** Black, through red and yellow, to white. */
function heat(share) {
  const t = Math.max(0, Math.min(1, share));
  return [Math.min(1, 2.2 * t), Math.max(0, Math.min(1, 2 * t - 0.6)), Math.max(0, 3 * t - 2)].map((v) => Math.round(255 * v));
}

// ---------------------------------------------------------------- the figure

/** What does not change, checked; it throws an error in words. */
function read(model) {
  const [height, width] = model.get("image_shape");
  const size = height * width;
  const names = model.get("names");
  const layers = unpack(model.get("weights"), model.get("layers"));
  const mean = model.get("mean");
  const images = model.get("images");
  if (layers[0].cols !== size || layers.at(-1).rows !== size || mean?.byteLength !== 4 * size) {
    throw new Error(`its network is not for images of ${height} × ${width} pixels`);
  }
  if (!names.length || images?.byteLength !== names.length * size) throw new Error(`it holds no image for each of ${names.length} names`);
  return { height, width, size, names, layers, scale: model.get("scale"), threshold: model.get("threshold"), label: model.get("label"),
    mean: new Float32Array(mean.buffer.slice(mean.byteOffset, mean.byteOffset + 4 * size)),
    images: names.map((_, k) => new Uint8Array(images.buffer, images.byteOffset + k * size, size)) };
}

function build({ names, label, width, height }) {
  const ui = {};
  const canvas = (attributes) => make("canvas", { width, height, ...attributes });
  ui.paper = canvas({ class: "fm-paper", role: "application", tabindex: "0",
    "aria-label": "The image. Paint with the pointer; or move with the arrow keys and paint with the space bar." });
  ui.map = canvas({ role: "img" });
  ui.names = names.map((name) => make("button", { type: "button", "aria-pressed": "false" }, name));
  ui.brushes = BRUSHES.map(([name]) => make("button", { type: "button", "aria-pressed": "false" }, name));
  ui.reset = make("button", { type: "button" }, "as it was");
  ui.bar = make("div", { class: "fm-bar" });
  ui.mark = make("div", { class: "fm-mark" });
  ui.scale = make("div", { class: "fm-scale", "aria-hidden": "true" }, ui.bar, ui.mark);
  ui.verdict = make("p", { class: "fm-verdict", role: "status" });
  ui.root = make("div", { class: "fm", role: "group", "aria-label": label }, make("style", {}, CSS));
  if (label) ui.root.append(make("p", { class: "fm-title" }, label));
  ui.root.append(make("div", { class: "fm-row", role: "group", "aria-label": "Image" }, "On the table:", ...ui.names),
    make("div", { class: "fm-row", role: "group", "aria-label": "Brush" }, "Brush:", ...ui.brushes, ui.reset),
    make("div", { class: "fm-pair" },
      make("div", {}, ui.paper, make("p", { class: "fm-caption" }, "paint on it")),
      make("div", {}, ui.map, make("p", { class: "fm-caption" }, "squared error of each pixel"))),
    ui.scale, ui.verdict,
    make("p", { class: "fm-note" }, "The line on the scale is the threshold. White on the map: an error of 6 or more, in standardised pixels."));
  return ui;
}

function paint(canvas, { width, height }, colour) {
  const g = canvas.getContext("2d");
  const pixels = g.createImageData(width, height);
  for (let k = 0; k < width * height; k++) pixels.data.set([...colour(k), 255], 4 * k);
  g.putImageData(pixels, 0, 0);
}

function render({ model, el }) {
  let fixed;
  try {
    fixed = read(model);
  } catch (error) {
    console.error(error);
    el.replaceChildren(make("div", { class: "fm" }, make("style", {}, CSS),
      make("p", { class: "fm-error", role: "alert" }, `This figure could not be shown: ${error.message}.`)));
    return undefined;
  }
  const { width, height, threshold, images } = fixed;
  const ui = build(fixed);
  let pixels = Uint8Array.from(model.get("pixels"));
  let brush = 0;
  let cursor = null; // the pixel that the arrow keys have reached
  let queued = false;

  function draw() {
    queued = false;
    const { map, score } = judge(fixed, pixels);
    paint(ui.paper, fixed, (k) => (k === cursor ? [255, 122, 60] : [pixels[k], pixels[k], pixels[k]]));
    paint(ui.map, fixed, (k) => heat(map[k] / LARGEST));
    const alarm = score > threshold;
    ui.scale.classList.toggle("fm-alarm", alarm);
    ui.bar.style.width = `${Math.min(100, (100 * score) / (2 * threshold))}%`;
    ui.mark.style.left = "50%";
    ui.verdict.textContent = `Reconstruction error ${score.toFixed(0)}, threshold ${threshold.toFixed(0)}: ${alarm ? "an alarm" : "no alarm"}.`;
    const worst = map.indexOf(map.reduce((a, b) => Math.max(a, b), 0));
    ui.map.setAttribute("aria-label", `Map of the error; it is largest in row ${Math.floor(worst / width) + 1}, column ${(worst % width) + 1}`);
    const shown = model.get("shown");
    ui.names.forEach((button, k) => button.setAttribute("aria-pressed", String(k === shown)));
    ui.brushes.forEach((button, k) => button.setAttribute("aria-pressed", String(k === brush)));
  }
  function ask() {
    if (!queued) requestAnimationFrame(draw);
    queued = true;
  }
  function keep() {
    model.set("pixels", Array.from(pixels));
    model.save_changes();
  }
  function dab(column, row) {
    const before = images[model.get("shown")];
    for (const [dx, dy] of [[0, 0], [1, 0], [0, 1], [1, 1]]) {
      const [x, y] = [column + dx, row + dy];
      if (x < 0 || y < 0 || x >= width || y >= height) continue;
      const k = y * width + x;
      pixels[k] = BRUSHES[brush][1] < 0 ? before[k] : BRUSHES[brush][1];
    }
    ask();
  }
  function put(k) {
    model.set("shown", k);
    pixels = Uint8Array.from(images[k]);
    keep();
    ask();
  }

  let last = null; // the pixel under the pointer, while it paints
  function at(event) {
    const box = ui.paper.getBoundingClientRect();
    return [Math.floor(((event.clientX - box.left) / box.width) * width - 0.5), Math.floor(((event.clientY - box.top) / box.height) * height - 0.5)];
  }
  ui.paper.addEventListener("pointerdown", (event) => {
    if (event.button || !event.isPrimary) return;
    ui.paper.setPointerCapture(event.pointerId);
    cursor = null;
    last = at(event);
    dab(...last);
  });
  ui.paper.addEventListener("pointermove", (event) => {
    if (!last || !event.isPrimary) return;
    const next = at(event);
    const steps = Math.max(Math.abs(next[0] - last[0]), Math.abs(next[1] - last[1]), 1);
    for (let k = 1; k <= steps; k++) dab(...[0, 1].map((j) => Math.round(last[j] + ((next[j] - last[j]) * k) / steps)));
    last = next;
  });
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
    ui.paper.addEventListener(name, () => { if (last) { last = null; keep(); } });
  }
  ui.paper.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!step && event.key !== " ") return;
    event.preventDefault();
    if (cursor === null) cursor = Math.floor(height / 2) * width + Math.floor(width / 2);
    const [x, y] = [cursor % width, Math.floor(cursor / width)];
    if (step) cursor = Math.max(0, Math.min(height - 1, y + step[1])) * width + Math.max(0, Math.min(width - 1, x + step[0]));
    else { dab(x, y); keep(); }
    ask();
  });
  ui.paper.addEventListener("blur", () => { cursor = null; ask(); });
  ui.names.forEach((button, k) => button.addEventListener("click", () => put(k)));
  ui.brushes.forEach((button, k) => button.addEventListener("click", () => { brush = k; ask(); }));
  ui.reset.addEventListener("click", () => put(model.get("shown")));

  const fromModel = () => { pixels = Uint8Array.from(model.get("pixels")); ask(); };
  model.on("change:pixels", fromModel);
  model.on("change:shown", ask);
  function repaint() {
    ui.root.classList.toggle("fm-dark", isDark());
    ask();
  }
  const themes = new MutationObserver(repaint);
  themes.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme", "theme"] });
  themes.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "class"] });
  const system = matchMedia("(prefers-color-scheme: dark)");
  system.addEventListener("change", repaint);
  el.replaceChildren(ui.root);
  repaint();
  return () => {
    model.off("change:pixels", fromModel);
    model.off("change:shown", ask);
    themes.disconnect();
    system.removeEventListener("change", repaint);
  };
}

export default { render };
