// Two estimators of d/dμ E[z²] as one ES module with three hosts: anywidget in Jupyter and Colab, and the
// book's static pages (afm_host.js), where no kernel runs. All draws are made here, by a seeded generator.
// common.js stands before it.

// ---------------------------------------------------------------- the numbers

/** Uniform numbers in (0, 1), the same for the same seed (sfc32, a generator of Doty-Humphrey's PractRand). */
export function uniform(seed) {
  let a = seed >>> 0, b = Math.floor(seed / 2 ** 32) >>> 0, c = 0x9e3779b9, count = 1;
  const next = () => {
    const t = (a + b + count) | 0;
    count = (count + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + t | 0;
    return ((t >>> 0) + 0.5) / 2 ** 32;
  };
  for (let k = 0; k < 15; k++) next();
  return next;
}

/** n numbers from N(0, 1) (Box & Muller 1958). More draws begin with the fewer ones. */
export function normals(seed, n) {
  const next = uniform(seed);
  const eps = new Float64Array(n);
  for (let k = 0; k < n; k += 2) {
    const r = Math.sqrt(-2 * Math.log(next()));
    const angle = 2 * Math.PI * next();
    eps[k] = r * Math.cos(angle);
    if (k + 1 < n) eps[k + 1] = r * Math.sin(angle);
  }
  return eps;
}

/** What is known exactly of both estimators of d/dμ E[z²], z ~ N(μ, σ²). */
export function exact({ mu, sigma, baseline }) {
  const s2 = sigma * sigma;
  const b = baseline ? mu * mu + 3 * s2 : 0; // E[z² ε²]: the constant that leaves the least variance
  const score = mu ** 4 / s2 + 14 * mu * mu + 15 * s2 - (2 * b * (mu * mu + 3 * s2) - b * b) / s2;
  return { mean: 2 * mu, baseline: b, reparameterised: 4 * s2, score };
}

/** One gradient for each draw, by both estimators, from the same draws. */
export function gradients({ mu, sigma, samples, baseline, seed }) {
  const b = exact({ mu, sigma, baseline }).baseline;
  const eps = normals(seed, samples);
  return {
    reparameterised: eps.map((e) => 2 * (mu + sigma * e)),
    score: eps.map((e) => (((mu + sigma * e) ** 2 - b) * e) / sigma),
  };
}

/** Mean and variance (divided by n - 1). */
export function moments(values) {
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  const squares = values.reduce((sum, v) => sum + (v - mean) ** 2, 0);
  return { mean, variance: squares / (values.length - 1) };
}

// ---------------------------------------------------------------- the look

const COUNTS = [10, 30, 100, 300, 1000, 3000, 10000, 30000, 100000];
const ROWS = [["reparameterised", "Reparameterised"], ["score", "Score function"]];

const CSS = `
.ge { --ground: #ffffff; --ink: #1b1f24; --soft: #57606a; --line: #d5dae0; --first: #0072b2; --second: #c25400; --focus: #0b5fb0;
  --hover: #eef1f4; box-sizing: border-box; width: 100%; max-width: 46rem; margin: .5rem 0; padding: 1rem; border: 1px solid var(--line);
  border-radius: 10px; background: var(--ground); color: var(--ink); font-size: 1rem; line-height: 1.4; text-align: left; }
.ge.ge-dark { --ground: #14181d; --ink: #e9ecef; --soft: #a8b1bb; --line: #3a424c; --first: #56b4e9; --second: #ff9a5c; --focus: #7cb8ff;
  --hover: #232a32; }
.ge * { box-sizing: border-box; }
.ge-title { margin: 0 0 .75rem; font-weight: 600; color: var(--ink); }
.ge-controls { display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; align-items: center; margin: 0 0 .75rem; }
.ge label { display: flex; gap: .6rem; align-items: center; margin: 0; font-size: .9rem; color: var(--ink); font-weight: 400; }
.ge-slider { flex: 1 1 17rem; }
.ge-slider span { flex: none; width: 10.2rem; white-space: nowrap; font-variant-numeric: tabular-nums; }
.ge input[type=range] { flex: 1; min-width: 0; width: 100%; height: 28px; margin: 0; padding: 0; accent-color: var(--second); background: none; }
.ge input[type=checkbox] { width: 20px; height: 20px; margin: 2px; accent-color: var(--second); }
.ge button { font: inherit; font-size: .9rem; color: var(--ink); background: var(--ground); border: 1px solid var(--soft); border-radius: 6px;
  min-height: 32px; padding: .2rem .6rem; cursor: pointer; }
.ge button:hover { background: var(--hover); }
.ge :focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; border-radius: 6px; }
.ge canvas { display: block; width: 100%; }
.ge-caption { margin: .25rem 0 .75rem; font-size: .85rem; color: var(--soft); }
.ge table { width: 100%; margin: 0 0 .5rem; border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; color: var(--ink);
  background: none; display: table; }
.ge tr { background: none; }
.ge th, .ge td { padding: .2rem .4rem; border: 0; border-bottom: 1px solid var(--line); text-align: right; font-weight: 400; color: var(--ink); }
.ge th:first-child { text-align: left; }
.ge thead th { color: var(--soft); vertical-align: bottom; }
.ge-note, .ge-error { margin: 0; font-size: .85rem; color: var(--soft); }
.ge-error { font-size: 1rem; color: var(--ink); }
@media (max-width: 30rem) { .ge { padding: .75rem; } .ge table { font-size: .8rem; } .ge th, .ge td { padding: .2rem; } }
`;

const HEIGHT = { bars: 216, means: 170 };
const MARGIN = { left: 40, right: 12, top: 6, bottom: 36 };
const thousands = (n) => n.toString().replace(/\B(?=(\d{3})+$)/g, ",");

/** Three significant digits, as on paper: "−0.12", "2,160". */
function shown(value) {
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.max(Math.abs(value), 0.1))));
  const [whole, rest] = Math.abs(value).toFixed(Math.min(digits, 2)).split(".");
  const text = thousands(whole) + (rest ? `.${rest}` : "");
  return (value < 0 && Number(text.replace(/,/g, "")) !== 0 ? "−" : "") + text;
}

/** A number beside an axis, without zeros that say nothing: "−2.5", "0". */
const tick = (value) => String(Number(value.toFixed(2)) || 0).replace("-", "−");

// ---------------------------------------------------------------- the figure

/** What the model asks for, checked; it throws an error in words. */
function read(model) {
  const asked = Object.fromEntries(["mu", "sigma", "samples", "baseline", "seed"].map((name) => [name, model.get(name)]));
  for (const name of ["mu", "sigma", "samples", "seed"]) {
    if (!Number.isFinite(asked[name])) throw new Error(`${name} must be a number, got ${asked[name]}`);
  }
  if (asked.sigma <= 0) throw new Error(`σ must be positive, got ${asked.sigma}`);
  if (asked.samples < 2 || asked.samples > 1e6) throw new Error(`it needs 2 to 1,000,000 draws, got ${asked.samples}`);
  return asked;
}

function slider(label, attributes) {
  const text = make("span", {}, label);
  const range = make("input", { type: "range", "aria-label": label, ...attributes });
  return { text, range, row: make("label", { class: "ge-slider" }, text, range) };
}

/** The page's elements, by name. */
function build(label) {
  const ui = {};
  ui.mu = slider("Mean μ", { min: -2, max: 2, step: 0.1 });
  ui.sigma = slider("Standard deviation σ", { min: 0.3, max: 2, step: 0.1 });
  ui.samples = slider("Number of draws", { min: 0, max: COUNTS.length - 1, step: 1 });
  ui.baseline = make("input", { type: "checkbox" });
  ui.again = make("button", { type: "button" }, "Draw again");
  ui.bars = make("canvas", { role: "img" });
  ui.means = make("canvas", { role: "img" });
  ui.note = make("p", { class: "ge-note" });
  ui.cells = {};
  const body = make("tbody");
  ROWS.forEach(([key, name], k) => {
    ui.cells[key] = [0, 1, 2].map(() => make("td"));
    const head = make("th", { scope: "row", style: `border-left: .5rem solid var(--${["first", "second"][k]})` }, name);
    body.append(make("tr", {}, head, ...ui.cells[key]));
  });
  const heads = ["Estimator", "Mean", "Variance", "Exact variance"];
  const table = make("table", {}, make("thead", {}, make("tr", {}, ...heads.map((text) => make("th", { scope: "col" }, text)))), body);
  ui.root = make("div", { class: "ge", role: "group", "aria-label": label }, make("style", {}, CSS));
  if (label) ui.root.append(make("p", { class: "ge-title" }, label));
  ui.root.append(
    make("div", { class: "ge-controls" }, ui.mu.row, ui.sigma.row, ui.samples.row, ui.again,
      make("label", {}, ui.baseline, "Subtract the best constant baseline")),
    ui.bars, make("p", { class: "ge-caption" },
      "How often each gradient comes out; each row is scaled to its highest bar. Dashed: the exact gradient."),
    ui.means, make("p", { class: "ge-caption" }, "The average of the first n gradients. Dashed: the exact gradient."),
    table, ui.note);
  return ui;
}

/** A canvas made sharp, its context and its width. */
function prepare(canvas, height) {
  const width = canvas.clientWidth;
  const ratio = globalThis.devicePixelRatio || 1;
  canvas.style.height = `${height}px`;
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.round(height * ratio);
  const g = canvas.getContext("2d");
  g.scale(ratio, ratio);
  return { g, width };
}

/** Distances between ticks that read well: about n of them. */
function tickStep(span, n) {
  let step = 10 ** Math.floor(Math.log10(span / n));
  for (const factor of [2, 2.5, 2]) if (span / step > n) step *= factor;
  return step;
}

function inks(ui) {
  const style = getComputedStyle(ui.root);
  const ink = (name) => style.getPropertyValue(`--${name}`).trim();
  return { ink, family: style.fontFamily, rows: [ink("first"), ink("second")] };
}

function dashed(g, colour, x0, y0, x1, y1) {
  g.save();
  g.setLineDash([5, 4]);
  g.strokeStyle = colour;
  g.lineWidth = 1.5;
  g.beginPath();
  g.moveTo(x0, y0);
  g.lineTo(x1, y1);
  g.stroke();
  g.restore();
}

function paintBars(ui, found, known) {
  const { g, width } = prepare(ui.bars, HEIGHT.bars);
  const { ink, family, rows } = inks(ui);
  const reach = 3 * Math.sqrt(Math.max(known.score, known.reparameterised));
  const low = known.mean - reach;
  const left = 12;
  const right = width - MARGIN.right;
  const at = (v) => left + ((right - left) * (v - low)) / (2 * reach);
  const bins = 60;
  const half = (HEIGHT.bars - MARGIN.bottom - MARGIN.top) / 2;
  g.font = `12px ${family}`;
  ROWS.forEach(([key, name], row) => {
    const counts = new Float64Array(bins);
    for (const v of found[key]) {
      const k = Math.floor(((v - low) / (2 * reach)) * bins);
      if (k >= 0 && k < bins) counts[k]++;
    }
    const top = Math.max(1, ...counts);
    const floor = MARGIN.top + half * (row + 1);
    const step = (right - left) / bins;
    g.fillStyle = rows[row];
    counts.forEach((count, k) => {
      const height = ((half - 20) * count) / top;
      g.fillRect(left + k * step + 0.5, floor - height, Math.max(1, step - 1), height);
    });
    g.fillStyle = ink("line");
    g.fillRect(left, floor, right - left, 1);
    g.fillStyle = ink("ink");
    g.textAlign = "left"; g.textBaseline = "top";
    g.fillText(name, left, floor - half + 6);
  });
  const bottom = HEIGHT.bars - MARGIN.bottom;
  dashed(g, ink("ink"), at(known.mean), MARGIN.top, at(known.mean), bottom);
  g.fillStyle = ink("soft");
  g.textAlign = "center"; g.textBaseline = "top";
  const step = tickStep(2 * reach, width < 420 ? 5 : 9);
  for (let t = Math.ceil(low / step) * step; t <= low + 2 * reach; t += step) g.fillText(tick(t), at(t), bottom + 5);
  g.fillStyle = ink("ink");
  g.fillText("gradient with respect to μ, from one draw", (left + right) / 2, bottom + 20);
}

function paintMeans(ui, found, known, samples) {
  const { g, width } = prepare(ui.means, HEIGHT.means);
  const { ink, family, rows } = inks(ui);
  const right = width - MARGIN.right;
  const bottom = HEIGHT.means - MARGIN.bottom;
  const reach = Math.sqrt(Math.max(known.score, known.reparameterised));
  const x = (n) => MARGIN.left + ((right - MARGIN.left) * Math.log(n)) / Math.log(samples);
  const y = (v) => MARGIN.top + ((bottom - MARGIN.top) * (known.mean + reach - v)) / (2 * reach);
  g.font = `12px ${family}`;
  g.fillStyle = ink("soft");
  g.textAlign = "right"; g.textBaseline = "middle";
  const step = tickStep(2 * reach, 5);
  for (let t = Math.ceil((known.mean - reach) / step) * step; t <= known.mean + reach; t += step) {
    g.fillText(tick(t), MARGIN.left - 6, y(t));
  }
  g.textBaseline = "top";
  for (let n = 1; n <= samples; n *= 10) {
    g.textAlign = n === 1 ? "left" : x(n) > right - 24 ? "right" : "center";
    g.fillText(thousands(n), x(n), bottom + 5);
  }
  g.textAlign = "center";
  g.fillStyle = ink("ink");
  g.fillText("number of draws n", (MARGIN.left + right) / 2, bottom + 20);
  g.strokeStyle = ink("line");
  g.strokeRect(MARGIN.left + 0.5, MARGIN.top + 0.5, right - MARGIN.left, bottom - MARGIN.top);
  g.save();
  g.beginPath();
  g.rect(MARGIN.left, MARGIN.top, right - MARGIN.left, bottom - MARGIN.top);
  g.clip();
  [...ROWS.keys()].reverse().forEach((row) => {
    const values = found[ROWS[row][0]];
    let sum = 0, drawn = -1;
    g.beginPath();
    g.strokeStyle = rows[row];
    g.lineWidth = 2;
    values.forEach((value, k) => {
      sum += value;
      const px = x(k + 1);
      if (px - drawn < 0.5 && k + 1 < samples) return; // one point for each half pixel
      drawn = px;
      if (k) g.lineTo(px, y(sum / (k + 1)));
      else g.moveTo(px, y(sum));
    });
    g.stroke();
  });
  dashed(g, ink("ink"), MARGIN.left, y(known.mean), right, y(known.mean));
  g.restore();
}

function describe(ui, found, known, asked) {
  const parts = ROWS.map(([key, name]) => {
    const { mean, variance } = moments(found[key]);
    [mean, variance, known[key]].forEach((value, k) => { ui.cells[key][k].textContent = shown(value); });
    return `${name}: mean ${shown(mean)}, variance ${shown(variance)}.`;
  });
  ui.bars.setAttribute("aria-label", `Histograms of ${thousands(asked.samples)} gradients. ${parts.join(" ")}`);
  ui.means.setAttribute("aria-label", `Running averages of both estimators; the exact gradient is ${shown(known.mean)}.`);
  ui.note.textContent = `Exact gradient of E[z²]: 2μ = ${shown(known.mean)}.`
    + (asked.baseline ? ` Baseline: μ² + 3σ² = ${shown(known.baseline)}.` : "")
    + ` Seed ${asked.seed}: both estimators use the same draws, made in your browser.`;
  for (const [name, text, value] of [["mu", "Mean μ", shown(asked.mu)], ["sigma", "Standard dev. σ", shown(asked.sigma)],
    ["samples", "Draws", thousands(asked.samples)]]) {
    ui[name].text.textContent = `${text} = ${value}`;
    ui[name].range.setAttribute("aria-valuetext", value);
  }
  ui.mu.range.value = asked.mu;
  ui.sigma.range.value = asked.sigma;
  ui.samples.range.value = COUNTS.reduce((best, n, k) => (
    Math.abs(Math.log(n / asked.samples)) < Math.abs(Math.log(COUNTS[best] / asked.samples)) ? k : best), 0);
  ui.baseline.checked = asked.baseline;
}

function render({ model, el }) {
  try {
    read(model);
  } catch (error) {
    console.error(error);
    el.replaceChildren(make("div", { class: "ge" }, make("style", {}, CSS),
      make("p", { class: "ge-error", role: "alert" }, `This figure could not be shown: ${error.message}.`)));
    return undefined;
  }
  const ui = build(model.get("label"));
  let queued = false;

  function draw() {
    queued = false;
    if (!ui.root.clientWidth) return; // not on the page, or hidden
    const asked = read(model);
    const known = exact(asked);
    const found = gradients(asked);
    describe(ui, found, known, asked);
    paintBars(ui, found, known);
    paintMeans(ui, found, known, asked.samples);
  }
  function ask() {
    if (!queued) requestAnimationFrame(draw);
    queued = true;
  }
  function put(changes) {
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    model.save_changes();
    ask();
  }
  function repaint() {
    ui.root.classList.toggle("ge-dark", isDark());
    ask();
  }

  ui.mu.range.addEventListener("input", () => put({ mu: Number(ui.mu.range.value) }));
  ui.sigma.range.addEventListener("input", () => put({ sigma: Number(ui.sigma.range.value) }));
  ui.samples.range.addEventListener("input", () => put({ samples: COUNTS[Number(ui.samples.range.value)] }));
  ui.baseline.addEventListener("change", () => put({ baseline: ui.baseline.checked }));
  ui.again.addEventListener("click", () => put({ seed: model.get("seed") + 1 }));

  const names = ["mu", "sigma", "samples", "baseline", "seed"];
  for (const name of names) model.on(`change:${name}`, ask);
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
    for (const name of names) model.off(`change:${name}`, ask);
    themes.disconnect();
    sizes.disconnect();
    system.removeEventListener("change", repaint);
  };
}

export default { render };
