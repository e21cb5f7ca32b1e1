// The gap of the ELBO as one ES module with three hosts: anywidget in Jupyter and Colab, and the book's static pages
// (afm_host.js), where no kernel runs. log p(x|z) on a grid of z is in the model; all else is computed here.
// common.js stands before it.

// ---------------------------------------------------------------- the numbers

const HALF_LOG_2PI = 0.5 * Math.log(2 * Math.PI);

/** log p(x|z) on the grid, one Float64Array for each observation. */
export function unpack(view, points) {
  if (!view || !(points > 1) || view.byteLength % (8 * points)) {
    throw new Error(`it needs rows of ${points} numbers, but ${view?.byteLength ?? 0} bytes are there`);
  }
  const all = new Float64Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
  return Array.from({ length: all.length / points }, (_, k) => all.subarray(k * points, (k + 1) * points));
}

/** The grid, log p(x) and the logarithm of the exact posterior of one observation, nats. */
export function posterior(logLikelihood, limit) {
  const dz = (2 * limit) / (logLikelihood.length - 1);
  const z = Float64Array.from(logLikelihood, (_, k) => -limit + k * dz);
  const joint = logLikelihood.map((value, k) => value - 0.5 * z[k] ** 2 - HALF_LOG_2PI);
  const largest = joint.reduce((a, b) => Math.max(a, b));
  const logPx = largest + Math.log(joint.reduce((sum, v) => sum + Math.exp(v - largest), 0) * dz);
  return { z, dz, logPx, logPosterior: joint.map((v) => v - logPx) };
}

const logNormal = (z, mu, logSigma) => -0.5 * ((z - mu) / Math.exp(logSigma)) ** 2 - logSigma - HALF_LOG_2PI;

/** The ELBO of q = N(mu, sigma²), its two terms, and KL(q || p(z|x)), by sums of their own, nats. */
export function terms(logLikelihood, { z, dz, logPosterior }, mu, logSigma) {
  let distortion = 0, kl = 0;
  for (let k = 0; k < z.length; k++) {
    const logQ = logNormal(z[k], mu, logSigma);
    const mass = Math.exp(logQ) * dz;
    distortion -= mass * logLikelihood[k];
    kl += mass * (logQ - logPosterior[k]);
  }
  const rate = 0.5 * (mu * mu + Math.exp(2 * logSigma) - 1 - 2 * logSigma);
  return { elbo: -distortion - rate, kl, rate, distortion };
}

// ---------------------------------------------------------------- the look

const CSS = `
.eg { --ground: #ffffff; --ink: #1b1f24; --soft: #57606a; --line: #d5dae0; --q: #c02f00; --truth: #0b5fb0; --fill: #d3d9e0; --gap: #c02f00;
  --rate: #6f4aa8; --pixels: #20705a; --on: #ffffff; --focus: #0b5fb0; --hover: #eef1f4; box-sizing: border-box; width: 100%; max-width: 46rem;
  margin: .5rem 0; padding: 1rem; border: 1px solid var(--line); border-radius: 10px; background: var(--ground); color: var(--ink);
  font-size: 1rem; line-height: 1.4; text-align: left; }
.eg.eg-dark { --ground: #14181d; --ink: #e9ecef; --soft: #a8b1bb; --line: #3a424c; --q: #ff8a5c; --truth: #7cb8ff; --fill: #47525f; --gap: #ff8a5c;
  --rate: #c3a5f5; --pixels: #6fd0b0; --on: #14181d; --focus: #7cb8ff; --hover: #232a32; }
.eg * { box-sizing: border-box; }
.eg-title { margin: 0 0 .5rem; font-weight: 600; color: var(--ink); }
.eg-row { display: flex; flex-wrap: wrap; gap: .4rem; align-items: center; margin: 0 0 .5rem; font-size: .9rem; color: var(--ink); }
.eg button { font: inherit; font-size: .9rem; color: var(--ink); background: var(--ground); border: 1px solid var(--soft); border-radius: 6px;
  min-height: 32px; padding: .2rem .6rem; cursor: pointer; }
.eg button:hover { background: var(--hover); }
.eg button[aria-pressed=true] { border-color: var(--ink); box-shadow: inset 0 0 0 1px var(--ink); font-weight: 600; }
.eg-plot { cursor: ew-resize; touch-action: pan-y; user-select: none; -webkit-user-select: none; }
.eg svg { display: block; width: 100%; overflow: visible; background: none; }
.eg text { fill: var(--soft); font-size: 12px; }
.eg .eg-name { fill: var(--ink); font-size: 13px; }
.eg .eg-inside { fill: var(--on); font-size: 12px; font-weight: 600; }
.eg-key { display: flex; flex-wrap: wrap; gap: .2rem 1rem; margin: .25rem 0 .5rem; font-size: .85rem; color: var(--soft); }
.eg-key span { display: inline-flex; align-items: center; gap: .4rem; }
.eg-key i { display: inline-block; width: 1.4rem; height: 0; border-top: 3px solid var(--q); }
.eg-key .eg-post { height: .8rem; border: 1px solid var(--soft); background: var(--fill); }
.eg-key .eg-prior { border-top: 2px dashed var(--soft); }
.eg label { display: grid; grid-template-columns: 9.5rem 1fr 3.2rem; gap: .6rem; align-items: center; margin: 0 0 .25rem; font-size: .9rem;
  color: var(--ink); font-weight: 400; }
.eg output { font-variant-numeric: tabular-nums; text-align: right; }
.eg input[type=range] { min-width: 0; width: 100%; height: 28px; margin: 0; padding: 0; accent-color: var(--q); background: none; }
.eg :focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; border-radius: 6px; }
.eg-bars { margin: .75rem 0 0; }
.eg-sum, .eg-note { margin: .5rem 0 0; font-variant-numeric: tabular-nums; font-size: .9rem; color: var(--ink); }
.eg-note { font-size: .85rem; color: var(--soft); }
.eg-error { margin: 0; }
@media (max-width: 30rem) { .eg { padding: .75rem; } .eg label { grid-template-columns: 6.2rem 1fr 2.8rem; } }
`;

const VIEW = 4; // the plot shows z from -4 to 4
const MARGIN = { left: 10, right: 10, top: 8, bottom: 34 };
const PLOT = 190; // height of the curves
const BAR = { height: 30, gap: 24, top: 18, axis: 34 };
const number = (value, digits = 2) => value.toFixed(digits).replace(/^-(0(?:\.0+)?)$/, "$1").replace("-", "−");

// ---------------------------------------------------------------- the figure

/** What does not change, checked; it throws an error in words. */
function read(model) {
  const fixed = Object.fromEntries(["points", "limit", "mu_limit", "narrowest", "widest", "names", "label"]
    .map((name) => [name, model.get(name)]));
  const rows = unpack(model.get("log_likelihood"), fixed.points);
  if (!rows.length || rows.length !== fixed.names.length) {
    throw new Error(`it holds ${rows.length} observations and ${fixed.names.length} names`);
  }
  return { ...fixed, rows, exact: rows.map((row) => posterior(row, fixed.limit)) };
}

function slider(label, attributes) {
  const range = make("input", { type: "range", ...attributes, "aria-label": label });
  const output = make("output");
  return { range, output, row: make("label", {}, label, range, output) };
}

function build({ names, mu_limit, narrowest, widest, label }) {
  const ui = {};
  ui.curves = draw("svg", { role: "img" });
  ui.bars = draw("svg", { role: "img" });
  ui.plot = make("div", { class: "eg-plot" }, ui.curves);
  ui.mu = slider("Mean μ of q", { min: -mu_limit, max: mu_limit, step: 0.02 });
  ui.sigma = slider("log σ of q", { min: narrowest, max: widest, step: (widest - narrowest) / 200 });
  ui.names = names.map((name) => make("button", { type: "button", "aria-pressed": "false" }, name));
  ui.sum = make("p", { class: "eg-sum" });
  ui.root = make("div", { class: "eg", role: "group", "aria-label": label }, make("style", {}, CSS));
  if (label) ui.root.append(make("p", { class: "eg-title" }, label));
  if (names.length > 1) ui.root.append(make("div", { class: "eg-row", role: "group", "aria-label": "Observation" }, "Observed:", ...ui.names));
  const key = (kind, text) => make("span", {}, make("i", { class: kind, "aria-hidden": "true" }), text);
  ui.root.append(ui.plot,
    make("div", { class: "eg-key" }, key("eg-post", "true posterior p(z | x)"), key("eg-prior", "prior p(z)"), key("eg-q", "q(z)")),
    ui.mu.row, ui.sigma.row, make("div", { class: "eg-bars" }, ui.bars), ui.sum,
    make("p", { class: "eg-note" }, "Drag in the picture or use the sliders. The upper bar is −log p(x) plus KL(q ‖ p(z|x)), the lower one rate plus "
      + "distortion: each piece is computed by a sum of its own, and both bars end at −ELBO."));
  return ui;
}

/** Distances between ticks that read well: at most n of them. */
function tickStep(span, n) {
  let step = 10 ** Math.floor(Math.log10(span / n));
  for (const factor of [2, 2.5, 2]) if (span / step > n) step *= factor;
  return step;
}

function paintCurves(ui, { z, logPosterior }, mu, logSigma, name) {
  const width = ui.plot.clientWidth;
  const [left, right, bottom] = [MARGIN.left, width - MARGIN.right, MARGIN.top + PLOT];
  const x = (value) => left + ((value + VIEW) / (2 * VIEW)) * (right - left);
  const seen = Array.from(z.keys()).filter((k) => Math.abs(z[k]) <= VIEW + 1e-9);
  const top = Math.max(1, 1.15 * seen.reduce((most, k) => Math.max(most, Math.exp(logPosterior[k])), 0));
  const y = (density) => bottom - Math.min(1, density / top) * PLOT;
  const path = (f) => seen.map((k, i) => `${i ? "L" : "M"}${x(z[k]).toFixed(1)} ${y(Math.exp(f(k))).toFixed(1)}`).join("");
  const truth = path((k) => logPosterior[k]);
  const parts = [
    draw("path", { class: "eg-posterior", d: `${truth}L${right} ${bottom}L${left} ${bottom}Z`, fill: "var(--fill)", stroke: "var(--soft)" }),
    draw("path", { d: path((k) => logNormal(z[k], 0, 0)), fill: "none", stroke: "var(--soft)", "stroke-width": 1.5, "stroke-dasharray": "5 4" }),
    draw("path", { class: "eg-q", d: path((k) => logNormal(z[k], mu, logSigma)), fill: "none", stroke: "var(--q)", "stroke-width": 3 }),
    draw("line", { x1: x(mu), x2: x(mu), y1: bottom, y2: MARGIN.top, stroke: "var(--q)", "stroke-width": 1, opacity: 0.5 }),
    draw("line", { x1: left, x2: right, y1: bottom, y2: bottom, stroke: "var(--soft)" }),
  ];
  for (let t = -VIEW; t <= VIEW; t += 1) {
    parts.push(draw("text", { x: x(t), y: bottom + 15, "text-anchor": "middle" }, number(t, 0)));
  }
  parts.push(draw("text", { class: "eg-name", x: (left + right) / 2, y: bottom + 31, "text-anchor": "middle" }, "z"));
  ui.curves.setAttribute("height", bottom + MARGIN.bottom);
  ui.curves.setAttribute("aria-label", `True posterior for ${name}, and q with mean ${number(mu)} and standard deviation ${number(Math.exp(logSigma))}`);
  ui.curves.replaceChildren(...parts);
}

function paintBars(ui, logPx, { elbo, kl, rate, distortion }) {
  const width = ui.plot.clientWidth;
  const [left, right] = [MARGIN.left, width - MARGIN.right];
  // the axis grows in steps, so that a move of q is seen as a move of the bars
  const ends = [0, -logPx, -elbo, rate];
  const span = [4, 8, 16, 32, 64, 128, 256, 512, 1024].find((s) => s >= Math.max(...ends)) ?? Math.max(...ends);
  const low = Math.min(0, -logPx, rate + Math.min(0, distortion));
  const x = (nats) => left + ((nats - low) / (span - low)) * (right - left);
  const parts = [];
  const bar = (row, from, to, color, text) => {
    const top = BAR.top + row * (BAR.height + BAR.gap);
    const [a, b] = [x(Math.min(from, to)), x(Math.max(from, to))];
    parts.push(draw("rect", { x: a, y: top, width: Math.max(0, b - a), height: BAR.height, fill: `var(--${color})` }));
    if (b - a > 7 * text.length + 8) {
      parts.push(draw("text", { class: "eg-inside", x: (a + b) / 2, y: top + 20, "text-anchor": "middle" }, text));
    }
  };
  const title = (row, text) => parts.push(draw("text", { x: left, y: BAR.top + row * (BAR.height + BAR.gap) - 5 }, text));
  title(0, "what q cannot change, and the gap");
  bar(0, 0, -logPx, "truth", `−log p(x) ${number(-logPx)}`);
  bar(0, -logPx, -logPx + kl, "gap", `KL ${number(kl)}`);
  title(1, "what training computes");
  bar(1, 0, rate, "rate", `rate ${number(rate)}`);
  bar(1, rate, rate + distortion, "pixels", `distortion ${number(distortion)}`);
  const bottom = BAR.top + 2 * BAR.height + BAR.gap;
  parts.push(draw("line", { x1: x(-elbo), x2: x(-elbo), y1: BAR.top - 2, y2: bottom + 4, stroke: "var(--ink)", "stroke-width": 2 }));
  parts.push(draw("line", { x1: left, x2: right, y1: bottom + 4, y2: bottom + 4, stroke: "var(--soft)" }));
  const step = tickStep(span - low, width < 420 ? 4 : 8);
  for (let t = Math.ceil(low / step) * step; t <= span + 1e-9; t += step) {
    parts.push(draw("text", { x: x(t), y: bottom + 19, "text-anchor": "middle" }, number(t, Number.isInteger(step) ? 0 : 1)));
  }
  parts.push(draw("text", { class: "eg-name", x: right, y: bottom + 35, "text-anchor": "end" }, "nats; vertical line: −ELBO"));
  ui.bars.setAttribute("height", bottom + BAR.axis + 6);
  ui.bars.setAttribute("aria-label", `Minus log p of x ${number(-logPx)} plus KL ${number(kl)}, and rate ${number(rate)} plus distortion `
    + `${number(distortion)}: both are ${number(-elbo)} nats`);
  ui.bars.replaceChildren(...parts);
}

function render({ model, el }) {
  let fixed;
  try {
    fixed = read(model);
  } catch (error) {
    console.error(error);
    el.replaceChildren(make("div", { class: "eg" }, make("style", {}, CSS),
      make("p", { class: "eg-error", role: "alert" }, `This figure could not be shown: ${error.message}.`)));
    return undefined;
  }
  const ui = build(fixed);
  let queued = false;

  function paint() {
    queued = false;
    if (!ui.plot.clientWidth) return; // not on the page, or hidden
    const [mu, logSigma, shown] = ["mu", "log_sigma", "shown"].map((name) => model.get(name));
    const exact = fixed.exact[shown];
    const found = terms(fixed.rows[shown], exact, mu, logSigma);
    paintCurves(ui, exact, mu, logSigma, fixed.names[shown]);
    paintBars(ui, exact.logPx, found);
    for (const [control, value] of [[ui.mu, mu], [ui.sigma, logSigma]]) {
      control.range.value = value;
      control.range.setAttribute("aria-valuetext", number(value));
      control.output.textContent = number(value);
    }
    ui.names.forEach((button, k) => button.setAttribute("aria-pressed", String(k === shown)));
    ui.sum.textContent = `log p(x) = ${number(exact.logPx, 3)}, ELBO = ${number(found.elbo, 3)}, gap = ${number(exact.logPx - found.elbo, 3)}, `
      + `KL(q ‖ p(z|x)) = ${number(found.kl, 3)} nats; σ = ${number(Math.exp(logSigma))}`;
  }
  function ask() {
    if (!queued) requestAnimationFrame(paint);
    queued = true;
  }
  function put(changes) {
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    model.save_changes();
    ask();
  }
  function repaint() {
    ui.root.classList.toggle("eg-dark", isDark());
    ask();
  }

  let drags = false;
  function follow(event) {
    const box = ui.plot.getBoundingClientRect();
    const share = (event.clientX - box.left - MARGIN.left) / (box.width - MARGIN.left - MARGIN.right);
    put({ mu: Math.max(-fixed.mu_limit, Math.min(fixed.mu_limit, VIEW * (2 * share - 1))) });
  }
  ui.plot.addEventListener("pointerdown", (event) => {
    if (event.button || !event.isPrimary) return;
    drags = true;
    ui.plot.setPointerCapture(event.pointerId);
    follow(event);
  });
  ui.plot.addEventListener("pointermove", (event) => { if (drags && event.isPrimary) follow(event); });
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) ui.plot.addEventListener(name, () => { drags = false; });
  ui.mu.range.addEventListener("input", () => put({ mu: Number(ui.mu.range.value) }));
  ui.sigma.range.addEventListener("input", () => put({ log_sigma: Number(ui.sigma.range.value) }));
  ui.names.forEach((button, k) => button.addEventListener("click", () => put({ shown: k })));

  const names = ["mu", "log_sigma", "shown"];
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
