// The image editor as one ES module with three hosts: anywidget in Jupyter and Colab, and the book's static pages
// (afm_host.js), where no kernel runs. Nothing is fetched. common.js and network.js stand before it.

const CSS = `
.ie { --ground: #ffffff; --ink: #1b1f24; --soft: #57606a; --line: #d5dae0; --ring: #c02f00; --focus: #0b5fb0; --hover: #eef1f4;
  box-sizing: border-box; width: 100%; max-width: 46rem; margin: .5rem 0; padding: 1rem; border: 1px solid var(--line);
  border-radius: 10px; background: var(--ground); color: var(--ink); font-size: 1rem; line-height: 1.4; text-align: left; }
.ie.ie-dark { --ground: #14181d; --ink: #e9ecef; --soft: #a8b1bb; --line: #3a424c; --ring: #ff8a5c; --focus: #7cb8ff; --hover: #232a32; }
.ie *, .ie *::before { box-sizing: border-box; }
.ie-title { margin: 0 0 .75rem; font-weight: 600; color: var(--ink); }
.ie-examples { display: flex; flex-wrap: wrap; gap: .35rem; margin: 0 0 .9rem; }
.ie button { font: inherit; font-size: .9rem; color: var(--ink); background: var(--ground); border: 1px solid var(--soft); border-radius: 6px;
  min-height: 32px; padding: .2rem .6rem; cursor: pointer; }
.ie button:hover { background: var(--hover); }
.ie .ie-example { padding: 2px; line-height: 0; border-color: var(--line); }
.ie .ie-example[aria-pressed=true] { border-color: var(--ring); box-shadow: 0 0 0 2px var(--ring); }
.ie-example canvas { width: 42px; height: 42px; image-rendering: pixelated; }
.ie-body { display: flex; flex-wrap: wrap; gap: 1rem 1.25rem; align-items: flex-start; }
.ie-picture canvas { display: block; width: 168px; height: 168px; image-rendering: pixelated; background: #000; border: 1px solid var(--line); border-radius: 4px; }
@media (max-width: 30rem) { .ie-picture canvas { width: 140px; height: 140px; } }
.ie-draw { cursor: crosshair; touch-action: none; }
.ie-caption { margin: .25rem 0 .4rem; font-size: .85rem; color: var(--soft); }
.ie-controls { flex: 1 1 12rem; min-width: 0; }
.ie label { display: flex; flex-wrap: wrap; gap: 0 .6rem; align-items: center; margin: 0 0 .5rem; font-size: .9rem; color: var(--ink); font-weight: 400; }
.ie label span { flex: 1 0 auto; }
.ie output { font-variant-numeric: tabular-nums; color: var(--soft); }
.ie input[type=range] { flex: 1 0 100%; min-width: 0; width: 100%; height: 28px; margin: 0; padding: 0; accent-color: var(--ring); background: none; }
.ie :focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; border-radius: 6px; }
.ie-note { margin: .8rem 0 0; font-size: .85rem; color: var(--soft); }
.ie-error { margin: 0; }
`;

const BRUSH = 1.05; // radius in pixels: a stroke of about two pixels, as in MNIST

/** Everything that the figure shows, checked; it throws an error in words. */
function read(model) {
  const [height, width] = model.get("image_shape");
  const encoder = unpack(model.get("encoder"), model.get("encoder_layers"));
  const decoder = unpack(model.get("decoder"), model.get("decoder_layers"));
  const size = height * width;
  const zDim = encoder.at(-1).rows;
  if (encoder[0].cols !== size || decoder.at(-1).rows !== size || decoder[0].cols !== zDim) {
    throw new Error(`its networks do not fit images of ${height} × ${width}`);
  }
  const names = model.get("names");
  const view = (key) => { const b = model.get(key); return new Uint8Array(b.buffer, b.byteOffset, b.byteLength).slice(); };
  const vectors = new Float32Array(view("vectors").buffer);
  const examples = view("examples");
  if (vectors.length !== names.length * zDim) throw new Error(`it holds ${names.length} names and ${vectors.length} numbers of vectors`);
  if (!examples.length || examples.length % size) throw new Error("its examples are not whole images");
  return { height, width, size, encoder, decoder, zDim, names, vectors, examples, limit: model.get("limit"),
    label: model.get("label"), error: model.get("error") };
}

/** The ink moved so that its centre of mass is the image's centre, as in MNIST; null without ink. */
export function centred(ink, height, width) {
  let mass = 0, down = 0, right = 0;
  for (let k = 0; k < ink.length; k++) {
    mass += ink[k];
    down += ink[k] * Math.floor(k / width);
    right += ink[k] * (k % width);
  }
  if (!mass) return null;
  const dy = Math.round(height / 2 - 0.5 - down / mass);
  const dx = Math.round(width / 2 - 0.5 - right / mass);
  const moved = new Float32Array(ink.length);
  for (let k = 0; k < ink.length; k++) {
    const y = Math.floor(k / width) + dy;
    const x = (k % width) + dx;
    if (ink[k] && y >= 0 && y < height && x >= 0 && x < width) moved[y * width + x] = ink[k];
  }
  return moved;
}

/** E[x|z] at the code of the image, moved by the strengths. */
export function edited(data, image, strengths) {
  const z = Float32Array.from(run(data.encoder, image));
  strengths.forEach((strength, k) => {
    for (let j = 0; j < data.zDim; j++) z[j] += strength * data.vectors[k * data.zDim + j];
  });
  return run(data.decoder, z);
}

function paint(canvas, pixels) {
  const g = canvas.getContext("2d");
  const image = g.createImageData(canvas.width, canvas.height);
  for (let k = 0; k < pixels.length; k++) {
    const v = Math.round(255 * pixels[k]);
    image.data.set([v, v, v, 255], 4 * k);
  }
  g.putImageData(image, 0, 0);
}

/** The page's elements, by name. */
function build(data) {
  const { width, height, names, limit } = data;
  const ui = {};
  const canvas = (attributes) => make("canvas", { width, height, ...attributes });
  ui.draw = canvas({ class: "ie-draw", role: "img", "aria-label": "The image that is edited; draw on it by mouse or finger" });
  ui.result = canvas({ class: "ie-result", role: "img" });
  ui.clear = make("button", { type: "button" }, "Clear and draw");
  ui.reset = make("button", { type: "button" }, "Sliders to 0");
  ui.examples = Array.from({ length: data.examples.length / data.size }, (_, k) => make("button",
    { type: "button", class: "ie-example", "aria-pressed": "false", "aria-label": `Example ${k + 1}` }, canvas({ "aria-hidden": "true" })));
  ui.ranges = names.map((name) => make("input", { type: "range", min: -limit, max: limit, step: 0.1, "aria-label": name }));
  ui.values = names.map(() => make("output", {}));
  ui.controls = make("div", { class: "ie-controls" });
  names.forEach((name, k) => ui.controls.append(make("label", {}, make("span", {}, name), ui.values[k], ui.ranges[k])));
  ui.controls.append(ui.reset);
  ui.root = make("div", { class: "ie", role: "group", "aria-label": data.label }, make("style", {}, CSS));
  if (data.label) ui.root.append(make("p", { class: "ie-title" }, data.label));
  ui.root.append(make("div", { class: "ie-examples", role: "group", "aria-label": "Choose an example" }, ...ui.examples),
    make("div", { class: "ie-body" },
      make("div", { class: "ie-picture" }, ui.draw, make("p", { class: "ie-caption" }, "Image: choose or draw"), ui.clear),
      make("div", { class: "ie-picture" }, ui.result, make("p", { class: "ie-caption" }, "Edited: E[x | z + move]")),
      ui.controls),
    make("p", { class: "ie-note" }, "The sliders ask for standard deviations of the attribute over the training images. A drawing is moved to "
      + "the image's centre, as the training images were. Encoder and decoder run in your browser from 8-bit weights: over the examples, "
      + `the largest change of a pixel is ${data.error.toFixed(3)} (black 0, white 1).`));
  return ui;
}

function render({ model, el }) {
  let data;
  try {
    data = read(model);
  } catch (error) {
    console.error(error);
    el.replaceChildren(make("div", { class: "ie" }, make("style", {}, CSS),
      make("p", { class: "ie-error", role: "alert" }, `This figure could not be shown: ${error.message}.`)));
    return undefined;
  }
  const ui = build(data);
  const { size, width, height } = data;
  const example = (k) => Float32Array.from(data.examples.subarray(k * size, (k + 1) * size));
  let ink = example(0);
  let chosen = 0; // the number of the example; -1 for a drawing
  let queued = false;

  function draw() {
    queued = false;
    const strengths = model.get("strengths");
    paint(ui.draw, ink);
    const image = chosen < 0 ? centred(ink, height, width) : ink;
    const what = data.names.map((name, k) => `${name} ${minus(strengths[k], 1)}`).join(", ");
    if (image) paint(ui.result, edited(data, image, strengths));
    else paint(ui.result, new Float32Array(size));
    ui.result.setAttribute("aria-label", image ? `Edited image: ${what}` : "Nothing is drawn yet");
    ui.ranges.forEach((range, k) => {
      range.value = strengths[k];
      ui.values[k].textContent = minus(strengths[k], 1);
      range.setAttribute("aria-valuetext", minus(strengths[k], 1));
    });
    ui.examples.forEach((button, k) => button.setAttribute("aria-pressed", String(k === chosen)));
  }
  function ask() {
    if (!queued) requestAnimationFrame(draw);
    queued = true;
  }
  function put(strengths) {
    model.set("strengths", strengths);
    model.save_changes();
    ask();
  }
  function dot(x, y) {
    for (let k = 0; k < size; k++) {
      if (Math.hypot((k % width) + 0.5 - x, Math.floor(k / width) + 0.5 - y) <= BRUSH) ink[k] = 1;
    }
  }
  let last = null; // where the pointer was, in pixels of the image
  function place(event) {
    const box = ui.draw.getBoundingClientRect();
    return [((event.clientX - box.left - 1) / (box.width - 2)) * width, ((event.clientY - box.top - 1) / (box.height - 2)) * height];
  }
  function stroke(event) {
    const [x, y] = place(event);
    const [x0, y0] = last ?? [x, y];
    const steps = Math.max(1, Math.ceil(2 * Math.hypot(x - x0, y - y0)));
    for (let s = 0; s <= steps; s++) dot(x0 + ((x - x0) * s) / steps, y0 + ((y - y0) * s) / steps);
    last = [x, y];
    chosen = -1;
    ask();
  }
  ui.draw.addEventListener("pointerdown", (event) => {
    if (event.button || !event.isPrimary) return;
    event.preventDefault();
    ui.draw.setPointerCapture(event.pointerId);
    last = null;
    stroke(event);
  });
  ui.draw.addEventListener("pointermove", (event) => { if (last && event.isPrimary) stroke(event); });
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) ui.draw.addEventListener(name, () => { last = null; });
  ui.clear.addEventListener("click", () => { ink = new Float32Array(size); chosen = -1; ask(); });
  ui.reset.addEventListener("click", () => put(data.names.map(() => 0)));
  ui.examples.forEach((button, k) => {
    paint(button.firstChild, example(k));
    button.addEventListener("click", () => { ink = example(k); chosen = k; ask(); });
  });
  for (const range of ui.ranges) range.addEventListener("input", () => put(ui.ranges.map((r) => Number(r.value))));

  const theme = () => ui.root.classList.toggle("ie-dark", isDark());
  const themes = new MutationObserver(theme);
  themes.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme", "theme"] });
  themes.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "class"] });
  const system = matchMedia("(prefers-color-scheme: dark)");
  system.addEventListener("change", theme);
  model.on("change:strengths", ask);
  el.replaceChildren(ui.root);
  theme();
  ask();
  return () => {
    model.off("change:strengths", ask);
    themes.disconnect();
    system.removeEventListener("change", theme);
  };
}

export default { render };
