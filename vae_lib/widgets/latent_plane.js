// The latent plane as one ES module with three hosts: anywidget in Jupyter and Colab, and the book's
// static pages (afm_host.js), where no kernel runs. Nothing is fetched: weights and points are in the model.
// common.js and network.js stand before it.

// ---------------------------------------------------------------- the look

// Ten colours a theme, found by search: at least 3:1 against the ground, and apart from each other for any kind of
// colour vision (the tests hold them to it). Each class is also named, and a press on its name brings it out.
export const PALETTE = {
  light: ["#5829a5", "#ad63da", "#483001", "#0d5f81", "#0f2960", "#785f10", "#3d9899", "#c68408", "#d84c60", "#8d2e53"],
  dark: ["#18e196", "#8e5944", "#e66908", "#6d64b7", "#cdbdfe", "#dbb62d", "#1ea7ff", "#aefff7", "#f9f953", "#22a074"],
};

const CSS = `
.lp { --ground: #ffffff; --ink: #1b1f24; --soft: #57606a; --line: #d5dae0; --ring: #c02f00; --focus: #0b5fb0; --hover: #eef1f4;
  box-sizing: border-box; width: 100%; max-width: 46rem; margin: .5rem 0; padding: 1rem; border: 1px solid var(--line);
  border-radius: 10px; background: var(--ground); color: var(--ink); font-size: 1rem; line-height: 1.4; text-align: left; }
.lp.lp-dark { --ground: #14181d; --ink: #e9ecef; --soft: #a8b1bb; --line: #3a424c; --ring: #ff8a5c; --focus: #7cb8ff; --hover: #232a32; }
.lp *, .lp *::before { box-sizing: border-box; }
.lp-title { margin: 0 0 .75rem; font-weight: 600; color: var(--ink); }
.lp-body { display: flex; flex-wrap: wrap; align-items: flex-start; gap: 1rem 1.5rem; }
.lp-plane { position: relative; flex: 999 1 19rem; max-width: 25rem; aspect-ratio: 1; cursor: crosshair; touch-action: manipulation;
  user-select: none; -webkit-user-select: none; }
.lp-plane canvas { position: absolute; inset: 0; width: 100%; height: 100%; }
.lp-hair { position: absolute; background: var(--ring); opacity: .55; pointer-events: none; }
.lp-handle { position: absolute; width: 44px; height: 44px; margin: -22px 0 0 -22px; cursor: grab; touch-action: none; }
.lp-handle::before { content: ""; position: absolute; inset: 12px; border: 4px solid var(--ring); border-radius: 50%;
  background: var(--ground); box-shadow: 0 0 0 2px var(--ground), 0 0 0 3px var(--ink); }
.lp-dragging, .lp-dragging .lp-handle { cursor: grabbing; }
.lp-side { flex: 1 1 14.2rem; display: flex; flex-wrap: wrap; gap: .75rem 1rem; align-content: flex-start; min-width: 0; }
.lp-picture canvas { display: block; image-rendering: pixelated; background: #000; border: 1px solid var(--line); border-radius: 4px; }
.lp-caption { margin: .25rem 0 0; font-size: .85rem; color: var(--soft); }
.lp-controls { flex: 1 1 8.5rem; max-width: 14.125rem; min-width: 0; }
.lp-z { margin: 0 0 .35rem; font-variant-numeric: tabular-nums; font-weight: 600; white-space: nowrap; }
.lp label { display: flex; gap: .6rem; align-items: center; margin: 0 0 .25rem; font-size: .9rem; color: var(--ink); font-weight: 400; }
.lp input[type=range] { flex: 1; min-width: 0; width: 100%; height: 28px; margin: 0; padding: 0; accent-color: var(--ring); background: none; }
.lp button { font: inherit; font-size: .9rem; color: var(--ink); background: var(--ground); border: 1px solid var(--soft); border-radius: 6px;
  min-height: 32px; padding: .2rem .6rem; cursor: pointer; }
.lp button:hover { background: var(--hover); }
.lp :focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; border-radius: 6px; }
.lp-controls button { margin-top: .25rem; }
.lp-odds { margin: .6rem 0 0; font-size: .85rem; color: var(--soft); }
.lp-legend { display: flex; flex-wrap: wrap; gap: .35rem; margin: .9rem 0 0; align-items: center; font-size: .9rem; color: var(--soft); }
.lp-legend button { display: inline-flex; align-items: center; gap: .4rem; padding: .1rem .55rem; border-color: var(--line); }
.lp-legend button[aria-pressed=true] { border-color: var(--ink); box-shadow: inset 0 0 0 1px var(--ink); }
.lp-swatch { width: .8rem; height: .8rem; border-radius: 50%; flex: none; }
.lp-note { margin: .6rem 0 0; font-size: .85rem; color: var(--soft); }
.lp-error { margin: 0; }
`;

const MARGIN = { left: 30, right: 8, top: 8, bottom: 34 };
const thousands = (n) => n.toString().replace(/\B(?=(\d{3})+$)/g, ",");

/** z with a subscript: "z₁". */
const axis = (k) => `z${"₁₂"[k]}`;

/** Distances between ticks that read well and give at most nine of them. */
function tickStep(limit) {
  let step = 10 ** Math.floor(Math.log10(limit / 4));
  for (const factor of [2, 2.5, 2]) if ((2 * limit) / step > 9) step *= factor;
  return step;
}

/** Two independent draws from N(0, 1) (Box & Muller 1958). */
function normalPair() {
  const r = Math.sqrt(-2 * Math.log(1 - Math.random()));
  const angle = 2 * Math.PI * Math.random();
  return [r * Math.cos(angle), r * Math.sin(angle)];
}

// ---------------------------------------------------------------- the figure

/** Everything that the figure shows, checked; it throws an error in words. */
function read(model) {
  const [height, width] = model.get("image_shape");
  const layers = unpack(model.get("weights"), model.get("layers"));
  if (layers.at(-1).rows !== height * width) {
    throw new Error(`its decoder makes ${layers.at(-1).rows} pixels, but its images have ${height} × ${width}`);
  }
  const points = model.get("points");
  const labels = model.get("labels");
  const xy = new Float32Array(points.buffer.slice(points.byteOffset, points.byteOffset + points.byteLength));
  const kinds = new Uint8Array(labels.buffer, labels.byteOffset, labels.byteLength);
  if (kinds.length && 2 * kinds.length !== xy.length) {
    throw new Error(`it holds ${xy.length / 2} points and ${kinds.length} labels`);
  }
  return { height, width, layers, xy, kinds, classes: model.get("classes"), limit: model.get("limit"),
    prior: model.get("prior"), label: model.get("label"), error: model.get("error") };
}

/** The page's elements, by name. */
function build(data) {
  const { classes, limit, prior, height, width } = data;
  const ui = {};
  ui.points = make("canvas", { "aria-hidden": "true" });
  ui.across = make("div", { class: "lp-hair" });
  ui.down = make("div", { class: "lp-hair" });
  ui.handle = make("div", { class: "lp-handle" });
  ui.plane = make("div", { class: "lp-plane", "aria-hidden": "true" }, ui.points, ui.across, ui.down, ui.handle);
  ui.image = make("canvas", { class: "lp-image", width, height, role: "img" });
  ui.z = make("p", { class: "lp-z" });
  ui.ranges = [0, 1].map((k) => make("input", { type: "range", min: -limit, max: limit, step: limit / 60,
    "aria-label": `${axis(k)}, ${k ? "up and down" : "left and right"}` }));
  ui.controls = make("div", { class: "lp-controls" }, ui.z);
  ui.ranges.forEach((range, k) => ui.controls.append(make("label", {}, axis(k), range)));
  if (prior) {
    ui.draw = make("button", { type: "button" }, "Draw z from the prior");
    ui.odds = make("p", { class: "lp-odds" });
    ui.controls.append(ui.draw, ui.odds);
  }
  const caption = make("p", { class: "lp-caption" }, prior ? "Decoded image, E[x | z]" : "Decoded image");
  ui.side = make("div", { class: "lp-side" }, make("div", { class: "lp-picture" }, ui.image, caption), ui.controls);
  ui.root = make("div", { class: "lp", role: "group", "aria-label": data.label }, make("style", {}, CSS));
  if (data.label) ui.root.append(make("p", { class: "lp-title" }, data.label));
  ui.root.append(make("div", { class: "lp-body" }, ui.plane, ui.side));
  ui.legend = classes.map((name) => make("button", { type: "button", "aria-pressed": "false" },
    make("span", { class: "lp-swatch", "aria-hidden": "true" }), name));
  if (classes.length) {
    ui.root.append(make("div", { class: "lp-legend", role: "group", "aria-label": "Show one class" }, "Show", ...ui.legend));
  }
  ui.root.append(make("p", { class: "lp-note" }, note(data)));
  return ui;
}

function note({ xy, limit, prior, classes, error }) {
  const n = xy.length / 2;
  let outside = 0;
  for (let k = 0; k < xy.length; k += 2) outside += Math.max(Math.abs(xy[k]), Math.abs(xy[k + 1])) > limit;
  const parts = ["Drag the ring, press anywhere in the plane, or use the sliders."];
  if (n) {
    parts.push(`Each ${classes.length ? "mark" : "dot"} is the code of one image${classes.length ? ", coloured by its class" : ""}: `
      + `${thousands(n)} images${outside ? `, ${thousands(outside)} of them outside of the square` : ""}.`);
  }
  if (prior) parts.push("Circles: 1 and 2 standard deviations of the prior.");
  parts.push(`The decoder runs in your browser from 8-bit weights: the largest change of a pixel is ${error.toFixed(3)} (black 0, white 1).`);
  return parts.join(" ");
}

/** Axes, circles and points on the plane's canvas, sharp on any screen. */
function paintPlane(ui, data, chosen) {
  const { xy, kinds, classes, limit, prior } = data;
  const size = ui.plane.clientWidth;
  const ratio = globalThis.devicePixelRatio || 1;
  const canvas = ui.points;
  canvas.width = canvas.height = Math.max(1, Math.round(size * ratio));
  const g = canvas.getContext("2d");
  g.scale(ratio, ratio);
  const style = getComputedStyle(ui.root);
  const ink = (name) => style.getPropertyValue(`--${name}`).trim();
  const place = placer(ui, data);
  const [left, bottom] = place(-limit, -limit);
  const [right, top] = place(limit, limit);

  g.font = `12px ${style.fontFamily}`;
  g.lineWidth = 1;
  g.strokeStyle = ink("line");
  g.fillStyle = ink("soft");
  g.strokeRect(left + 0.5, top + 0.5, right - left, bottom - top);
  const step = tickStep(limit);
  const digits = Number.isInteger(step) ? 0 : 1;
  for (let t = -Math.floor(limit / step) * step; t <= limit + 1e-9; t += step) {
    const [x] = place(t, 0);
    const [, y] = place(0, t);
    g.textAlign = "center"; g.textBaseline = "top";
    g.fillText(minus(t, digits), x, bottom + 5);
    g.textAlign = "right"; g.textBaseline = "middle";
    g.fillText(minus(t, digits), left - 5, y);
  }
  g.fillStyle = ink("ink");
  g.font = `italic 13px ${style.fontFamily}`;
  g.textAlign = "center"; g.textBaseline = "bottom";
  g.fillText(axis(0), (left + right) / 2, size - 1);
  g.textAlign = "left"; g.textBaseline = "middle";
  g.fillText(axis(1), 1, place(0, step / 2)[1]);

  g.save();
  g.beginPath();
  g.rect(left, top, right - left, bottom - top);
  g.clip();
  const colors = PALETTE[isDark() ? "dark" : "light"];
  const glyphs = classes.length > 0 && classes.every((name) => name.length === 1);
  g.font = `600 ${size < 360 ? 9.5 : 10.5}px ${style.fontFamily}`;
  g.textAlign = "center"; g.textBaseline = "middle";
  for (const front of [false, true]) {
    for (let k = 0; k < xy.length / 2; k++) {
      const kind = kinds.length ? kinds[k] : -1;
      if ((chosen < 0 || kind === chosen) !== front) continue;
      const [x, y] = place(xy[2 * k], xy[2 * k + 1]);
      g.globalAlpha = front ? 0.85 : 0.12;
      g.fillStyle = kind < 0 ? ink("soft") : colors[kind];
      if (glyphs) {
        g.fillText(classes[kind], x, y);
      } else {
        g.beginPath();
        g.arc(x, y, 2.4, 0, 2 * Math.PI);
        g.fill();
      }
    }
  }
  g.globalAlpha = 1;
  if (prior) paintPrior(g, place, limit, ink, style.fontFamily);
  g.restore();
}

function paintPrior(g, place, limit, ink, family) {
  const [x0, y0] = place(0, 0);
  const unit = place(1, 0)[0] - x0;
  g.font = `600 12px ${family}`;
  g.textAlign = "center"; g.textBaseline = "middle";
  for (const r of [1, 2]) {
    if (r > limit) continue;
    g.beginPath();
    g.arc(x0, y0, r * unit, 0, 2 * Math.PI);
    g.strokeStyle = ink("ground"); g.lineWidth = 4; g.globalAlpha = 0.7; g.stroke();
    g.strokeStyle = ink("ink"); g.lineWidth = 1.5; g.globalAlpha = 1; g.stroke();
    const [x, y] = [x0 + r * unit * Math.SQRT1_2, y0 - r * unit * Math.SQRT1_2];
    g.strokeStyle = ink("ground"); g.lineWidth = 5; g.lineJoin = "round";
    g.strokeText(`${r}σ`, x, y);
    g.fillStyle = ink("ink");
    g.fillText(`${r}σ`, x, y);
  }
}

/** A function from codes to pixels of the plane. */
function placer(ui, { limit }) {
  const size = ui.plane.clientWidth;
  const width = size - MARGIN.left - MARGIN.right;
  const height = size - MARGIN.top - MARGIN.bottom;
  return (z1, z2) => [MARGIN.left + (width * (z1 + limit)) / (2 * limit), MARGIN.top + (height * (limit - z2)) / (2 * limit)];
}

/** The code under a pixel of the plane. */
function codeAt(ui, { limit }, x, y) {
  const size = ui.plane.clientWidth;
  return [((x - MARGIN.left) / (size - MARGIN.left - MARGIN.right)) * 2 * limit - limit,
    limit - ((y - MARGIN.top) / (size - MARGIN.top - MARGIN.bottom)) * 2 * limit];
}

function paintImage(ui, { layers, width, height }, z) {
  const g = ui.image.getContext("2d");
  const pixels = g.createImageData(width, height);
  const x = run(layers, z);
  for (let k = 0; k < x.length; k++) {
    const v = Math.round(255 * x[k]);
    pixels.data.set([v, v, v, 255], 4 * k);
  }
  g.putImageData(pixels, 0, 0);
}

function showCode(ui, data, z) {
  const [x, y] = placer(ui, data)(z[0], z[1]);
  ui.handle.style.left = `${x}px`;
  ui.handle.style.top = `${y}px`;
  const bottom = ui.plane.clientHeight - MARGIN.bottom;
  Object.assign(ui.across.style, { left: `${MARGIN.left}px`, top: `${y}px`, width: `${Math.max(0, x - MARGIN.left)}px`, height: "1px" });
  Object.assign(ui.down.style, { left: `${x}px`, top: `${y}px`, width: "1px", height: `${Math.max(0, bottom - y)}px` });
  const shown = z.map((value) => minus(value, 2));
  ui.z.textContent = `z = (${shown[0]}, ${shown[1]})`;
  ui.ranges.forEach((range, k) => {
    range.value = z[k];
    range.setAttribute("aria-valuetext", shown[k]);
  });
  ui.image.setAttribute("aria-label", `Decoded image at ${axis(0)} = ${shown[0]}, ${axis(1)} = ${shown[1]}`);
  if (ui.odds) {
    // |z|² of two standard normal numbers is exponential: P(|z| > r) = exp(-r² / 2)
    const percent = 100 * Math.exp(-(z[0] ** 2 + z[1] ** 2) / 2);
    ui.odds.textContent = `${percent > 99 ? "More than 99" : percent < 1 ? "Fewer than 1" : Math.round(percent)} in 100 draws from the prior lie farther out.`;
  }
}

/** The largest whole number of screen pixels a decoded pixel can have beside the controls. */
function imageScale(ui, { width }) {
  const room = ui.side.clientWidth;
  const beside = room - 180; // what the controls need
  const wanted = beside >= 112 ? Math.min(168, beside) : 224;
  return Math.max(1, Math.floor(Math.min(wanted, room) / width));
}

function render({ model, el }) {
  let data;
  try {
    data = read(model);
  } catch (error) {
    console.error(error);
    el.replaceChildren(make("div", { class: "lp" }, make("style", {}, CSS),
      make("p", { class: "lp-error", role: "alert" }, `This figure could not be shown: ${error.message}.`)));
    return undefined;
  }
  const ui = build(data);
  let z = [...model.get("z")];
  let chosen = -1;
  let queued = false;
  let stale = true; // the plane itself, not only the code on it

  function draw() {
    queued = false;
    if (!ui.plane.clientWidth) return; // not on the page, or hidden
    if (stale) paintPlane(ui, data, chosen);
    stale = false;
    paintImage(ui, data, z);
    showCode(ui, data, z);
  }
  function ask() {
    if (!queued) requestAnimationFrame(draw);
    queued = true;
  }
  function put(next) {
    z = next.map((value) => Math.max(-data.limit, Math.min(data.limit, value)));
    model.set("z", z);
    model.save_changes();
    ask();
  }
  function repaint() {
    stale = true;
    ui.root.classList.toggle("lp-dark", isDark());
    const colors = PALETTE[isDark() ? "dark" : "light"];
    ui.legend.forEach((button, k) => { button.firstChild.style.background = colors[k]; });
    ask();
  }
  function resize() {
    const scale = imageScale(ui, data);
    ui.image.style.width = `${scale * data.width + 2}px`;
    ui.image.style.height = `${scale * data.height + 2}px`;
    repaint();
  }

  // A finger drags the ring, or taps: dragging it over the rest of the plane scrolls the page, as elsewhere.
  // A mouse or pen drags from anywhere. The tap is read from pointer events, because browsers send no click
  // for a tap that comes soon after a drag.
  let grip = null; // from the pointer to the ring, while it drags
  let tap = null; // where a finger came down beside the ring
  function position(event) {
    const box = ui.plane.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }
  ui.plane.addEventListener("pointerdown", (event) => {
    if (event.button || !event.isPrimary) return;
    const onRing = event.target === ui.handle;
    const [x, y] = position(event);
    if (event.pointerType === "touch" && !onRing) {
      tap = [x, y];
      return;
    }
    event.preventDefault();
    const ring = placer(ui, data)(z[0], z[1]);
    grip = onRing ? [ring[0] - x, ring[1] - y] : [0, 0];
    event.target.setPointerCapture(event.pointerId);
    ui.plane.classList.add("lp-dragging");
    if (!onRing) put(codeAt(ui, data, x, y));
  });
  ui.plane.addEventListener("pointermove", (event) => {
    if (!grip || !event.isPrimary) return;
    const [x, y] = position(event);
    put(codeAt(ui, data, x + grip[0], y + grip[1]));
  });
  const release = () => { grip = tap = null; ui.plane.classList.remove("lp-dragging"); };
  ui.plane.addEventListener("pointerup", (event) => {
    const [x, y] = position(event);
    if (tap && Math.hypot(x - tap[0], y - tap[1]) < 10) put(codeAt(ui, data, x, y));
    release();
  });
  for (const name of ["pointercancel", "lostpointercapture"]) ui.plane.addEventListener(name, release);
  for (const range of ui.ranges) range.addEventListener("input", () => put(ui.ranges.map((r) => Number(r.value))));
  ui.draw?.addEventListener("click", () => put(normalPair()));
  ui.legend.forEach((button, k) => button.addEventListener("click", () => {
    chosen = chosen === k ? -1 : k;
    ui.legend.forEach((other, j) => other.setAttribute("aria-pressed", String(j === chosen)));
    stale = true;
    ask();
  }));

  const fromModel = () => { z = [...model.get("z")]; ask(); };
  model.on("change:z", fromModel);
  const themes = new MutationObserver(repaint);
  themes.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme", "theme"] });
  themes.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "class"] });
  const system = matchMedia("(prefers-color-scheme: dark)");
  system.addEventListener("change", repaint);
  const sizes = new ResizeObserver(resize);
  sizes.observe(ui.root);
  el.replaceChildren(ui.root);
  resize();
  return () => {
    model.off("change:z", fromModel);
    themes.disconnect();
    sizes.disconnect();
    system.removeEventListener("change", repaint);
  };
}

export default { render };
