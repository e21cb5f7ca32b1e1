// Importance sampling in one dimension, as one ES module with three hosts: anywidget in Jupyter and Colab, and the
// book's static pages (afm_host.js), where no kernel runs. Nothing is fetched: all is computed here.
// common.js stands before it.

// ---------------------------------------------------------------- the numbers

const HALF_LOG_2PI = 0.5 * Math.log(2 * Math.PI);
const QUADRATURE = 4001; // points on [-8, 8]

/** n standard Gaussian numbers: mulberry32 (T. Ettinger), then Box & Muller 1958. */
export function draws(seed, n) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const out = [];
  while (out.length < n) {
    const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
    const angle = 2 * Math.PI * uniform();
    out.push(radius * Math.cos(angle), radius * Math.sin(angle));
  }
  return out.slice(0, n);
}

/** log Σ exp, without overflow. */
function logSumExp(values) {
  const largest = values.reduce((a, b) => Math.max(a, b), -Infinity);
  if (largest === -Infinity) return largest;
  return largest + Math.log(values.reduce((sum, v) => sum + Math.exp(v - largest), 0));
}

/** log p(x, z) in nats: p(z) = N(0, 1), p(x|z) = N(x; Σ_j c_j z^j, noise²). */
export function logJoint({ x, coefficients, noise }, z) {
  const mean = coefficients.reduceRight((sum, c) => sum * z + c, 0);
  return -0.5 * z * z - 0.5 * ((x - mean) / noise) ** 2 - Math.log(noise) - 2 * HALF_LOG_2PI;
}

/** log p(x) by quadrature. */
export function exact(state) {
  const step = 16 / (QUADRATURE - 1);
  return logSumExp(Array.from({ length: QUADRATURE }, (_, i) => logJoint(state, -8 + i * step))) + Math.log(step);
}

/** The draws z from q = N(mu, sigma²), the logarithms of their weights, the estimate and the effective sample size. */
export function estimate(state) {
  const eps = draws(state.seed, state.k);
  const z = eps.map((e) => state.mu + state.sigma * e);
  const logW = z.map((value, i) => logJoint(state, value) + 0.5 * eps[i] ** 2 + Math.log(state.sigma) + HALF_LOG_2PI);
  const total = logSumExp(logW);
  return { z, logW, estimate: total - Math.log(state.k), ess: Math.exp(2 * total - logSumExp(logW.map((v) => 2 * v))) };
}

// ---------------------------------------------------------------- the look

const CSS = `
.ims { --ground: #ffffff; --ink: #1b1f24; --soft: #57606a; --line: #d5dae0; --q: #c02f00; --truth: #0b5fb0; --fill: #cfe3f5;
  --focus: #0b5fb0; --hover: #eef1f4; box-sizing: border-box; width: 100%; max-width: 46rem; margin: .5rem 0; padding: 1rem;
  border: 1px solid var(--line); border-radius: 10px; background: var(--ground); color: var(--ink); font-size: 1rem;
  line-height: 1.4; text-align: left; }
.ims.ims-dark { --ground: #14181d; --ink: #e9ecef; --soft: #a8b1bb; --line: #3a424c; --q: #ff8a5c; --truth: #7cb8ff; --fill: #1f3a56;
  --focus: #7cb8ff; --hover: #232a32; }
.ims *, .ims *::before { box-sizing: border-box; }
.ims-title { margin: 0 0 .5rem; font-weight: 600; color: var(--ink); }
.ims-plot { cursor: ew-resize; touch-action: pan-y; user-select: none; -webkit-user-select: none; }
.ims-plot svg { display: block; width: 100%; overflow: visible; background: none; }
.ims-plot text { fill: var(--soft); font-size: 12px; }
.ims-key { display: flex; flex-wrap: wrap; gap: .2rem 1rem; margin: .25rem 0 .75rem; font-size: .85rem; color: var(--soft); }
.ims-key span { display: inline-flex; align-items: center; gap: .4rem; }
.ims-key i { display: inline-block; width: 1.4rem; height: 0; border-top: 3px solid var(--soft); }
.ims-key .ims-post { height: .8rem; border: 2px solid var(--truth); background: var(--fill); }
.ims-key .ims-prior { border-top-style: dashed; border-top-width: 2px; }
.ims-key .ims-q { border-color: var(--q); }
.ims-key .ims-bar { width: 3px; height: .9rem; border: 0; background: var(--q); }
.ims-body { display: flex; flex-wrap: wrap; gap: .75rem 2rem; align-items: flex-start; }
.ims-controls { flex: 1 1 16rem; min-width: 0; }
.ims label { display: grid; grid-template-columns: 6.5rem 1fr 3.2rem; gap: .6rem; align-items: center; margin: 0 0 .25rem; font-size: .9rem;
  color: var(--ink); font-weight: 400; }
.ims output { font-variant-numeric: tabular-nums; text-align: right; }
.ims input[type=range] { min-width: 0; width: 100%; height: 28px; margin: 0; padding: 0; accent-color: var(--q); background: none; }
.ims-row { display: flex; flex-wrap: wrap; gap: .4rem; align-items: center; margin: .35rem 0 0; font-size: .9rem; color: var(--ink); }
.ims button { font: inherit; font-size: .9rem; color: var(--ink); background: var(--ground); border: 1px solid var(--soft); border-radius: 6px;
  min-height: 32px; padding: .2rem .6rem; cursor: pointer; }
.ims button:hover { background: var(--hover); }
.ims button[aria-pressed=true] { border-color: var(--ink); box-shadow: inset 0 0 0 1px var(--ink); font-weight: 600; }
.ims :focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; border-radius: 6px; }
.ims-numbers { flex: 0 1 19rem; margin: 0; display: grid; grid-template-columns: 1fr auto; gap: .15rem 1rem; font-size: .95rem; }
.ims-numbers dt { font-weight: 400; color: var(--soft); margin: 0; }
.ims-numbers dd { margin: 0; text-align: right; font-variant-numeric: tabular-nums; font-weight: 600; color: var(--ink); white-space: nowrap; }
.ims-note { margin: .6rem 0 0; font-size: .85rem; color: var(--soft); }
.ims-error { margin: 0; }
`;

const MARGIN = { left: 34, right: 8, top: 14 };
const HEIGHT = { curves: 170, gap: 14, weights: 64, axis: 34 };
const number = (value, digits = 2) => (Number.isFinite(value) ? value.toFixed(digits).replace(/^-(0(?:\.0+)?)$/, "$1") : String(value))
  .replace("-", "−").replace("Infinity", "∞");

// ---------------------------------------------------------------- the figure

/** What does not change, checked; it throws an error in words. */
function read(model) {
  const fixed = Object.fromEntries(["x", "coefficients", "noise", "counts", "limit", "widest", "narrowest", "label"]
    .map((name) => [name, model.get(name)]));
  if (!(fixed.noise > 0)) throw new Error(`its noise must be positive, but it is ${fixed.noise}`);
  if (!fixed.coefficients?.length) throw new Error("its polynomial has no coefficients");
  return { ...fixed, exact: exact(fixed) };
}

/** f(z) in words, such as "z²". */
function formula(coefficients) {
  const power = (j) => ["", "z", "z²", "z³"][j] ?? `z^${j}`;
  const terms = coefficients.map((c, j) => [c, j]).filter(([c]) => c)
    .map(([c, j]) => (c === 1 && j ? power(j) : `${number(c, Number.isInteger(c) ? 0 : 2)}${j ? ` ${power(j)}` : ""}`));
  return terms.join(" + ") || "0";
}

function build(fixed) {
  const ui = {};
  ui.svg = draw("svg", { role: "img" });
  ui.plot = make("div", { class: "ims-plot" }, ui.svg);
  const slider = (name, text, min, max, step) => {
    ui[name] = make("input", { type: "range", min, max, step, "aria-label": text });
    ui[`${name}Out`] = make("output", { "aria-hidden": "true" });
    return make("label", {}, text, ui[name], ui[`${name}Out`]);
  };
  const controls = make("div", { class: "ims-controls" },
    slider("mu", "mean of q", -fixed.limit, fixed.limit, 0.05), slider("sigma", "width σ of q", fixed.narrowest, fixed.widest, 0.05));
  ui.counts = fixed.counts.map((n) => make("button", { type: "button", "aria-pressed": "false" }, String(n)));
  ui.anew = make("button", { type: "button" }, "Draw anew");
  ui.prior = make("button", { type: "button" }, "Use the prior");
  controls.append(make("div", { class: "ims-row", role: "group", "aria-label": "Number of draws" }, "draws", ...ui.counts),
    make("div", { class: "ims-row" }, ui.anew, ui.prior));
  ui.numbers = Object.fromEntries(["exact", "estimate", "ess"].map((name) => [name, make("dd")]));
  const numbers = make("dl", { class: "ims-numbers" }, make("dt", {}, "log p(x), exact"), ui.numbers.exact,
    make("dt", {}, "log p(x), estimated"), ui.numbers.estimate, make("dt", {}, "effective sample size"), ui.numbers.ess);
  const key = make("div", { class: "ims-key" },
    ...[["ims-post", "posterior p(z | x)"], ["ims-prior", "prior p(z)"], ["ims-q", "proposal q(z)"], ["ims-bar", "weight of a draw"]]
      .map(([kind, text]) => make("span", {}, make("i", { class: kind, "aria-hidden": "true" }), text)));
  ui.root = make("div", { class: "ims", role: "group", "aria-label": fixed.label || "Importance sampling" }, make("style", {}, CSS));
  if (fixed.label) ui.root.append(make("p", { class: "ims-title" }, fixed.label));
  ui.root.append(ui.plot, key, make("div", { class: "ims-body" }, controls, numbers),
    make("p", { class: "ims-note" }, "Drag in the figure or use the sliders. The model: z is drawn from N(0, 1), and x from a Gaussian "
      + `with mean ${formula(fixed.coefficients)} and standard deviation ${number(fixed.noise)}; observed x = ${number(fixed.x)}. `
      + "The longest bar has length 1; bars of draws outside of the figure are not shown. Values in nats."));
  return ui;
}

function places(ui, fixed) {
  const width = Math.max(200, ui.plot.clientWidth);
  const inner = width - MARGIN.left - MARGIN.right;
  return { width, inner, x: (z) => MARGIN.left + (inner * (z + fixed.limit)) / (2 * fixed.limit),
    z: (x) => ((x - MARGIN.left) / inner) * 2 * fixed.limit - fixed.limit };
}

function paint(ui, fixed, state) {
  const { width, x, inner } = places(ui, fixed);
  const found = estimate({ ...fixed, ...state });
  const base = MARGIN.top + HEIGHT.curves;
  const floor = base + HEIGHT.gap + HEIGHT.weights;
  const total = floor + HEIGHT.axis;
  const points = Array.from({ length: 321 }, (_, i) => -fixed.limit + (2 * fixed.limit * i) / 320);
  const curves = {
    post: points.map((z) => Math.exp(logJoint(fixed, z) - fixed.exact)),
    prior: points.map((z) => Math.exp(-0.5 * z * z - HALF_LOG_2PI)),
    q: points.map((z) => Math.exp(-0.5 * ((z - state.mu) / state.sigma) ** 2 - Math.log(state.sigma) - HALF_LOG_2PI)),
  };
  const highest = Math.max(...curves.post, ...curves.prior);
  const top = 1.04 * Math.max(highest, Math.min(2.5 * highest, Math.max(...curves.q))); // a narrower q is cut off
  const y = (density) => base - Math.min(1.04, density / top) * HEIGHT.curves;
  const line = (values) => values.map((v, i) => `${i ? "L" : "M"}${x(points[i]).toFixed(1)} ${y(v).toFixed(1)}`).join("");
  const largest = found.logW.reduce((a, b) => Math.max(a, b), -Infinity);
  const bars = found.z.map((z, i) => [z, Math.exp(found.logW[i] - largest)]).filter(([z]) => Math.abs(z) <= fixed.limit)
    .map(([z, w]) => `M${x(z).toFixed(1)} ${floor}v${(-2 - w * (HEIGHT.weights - 2)).toFixed(1)}`).join("");
  const ticks = [];
  for (let t = -Math.floor(fixed.limit); t <= fixed.limit; t++) {
    ticks.push(draw("path", { d: `M${x(t)} ${floor}v4`, stroke: "var(--soft)" }),
      draw("text", { x: x(t), y: floor + 17, "text-anchor": "middle" }, number(t, 0)));
  }
  const middle = x(0);
  ui.svg.setAttribute("viewBox", `0 0 ${width} ${total}`);
  ui.svg.style.height = `${total}px`;
  ui.svg.replaceChildren(
    draw("path", { d: `${line(curves.post)}L${x(fixed.limit)} ${base}L${x(-fixed.limit)} ${base}Z`, fill: "var(--fill)" }),
    draw("path", { d: line(curves.post), fill: "none", stroke: "var(--truth)", "stroke-width": 2 }),
    draw("path", { class: "ims-curve", d: line(curves.q), fill: "none", stroke: "var(--q)", "stroke-width": 2.5 }),
    draw("path", { d: line(curves.prior), fill: "none", stroke: "var(--soft)", "stroke-width": 1.75, "stroke-dasharray": "6 4" }),
    draw("path", { d: `M${MARGIN.left} ${base}h${inner}M${MARGIN.left} ${floor}h${inner}`, stroke: "var(--line)" }),
    draw("path", { class: "ims-bars", d: bars, stroke: "var(--q)", "stroke-width": state.k > 300 ? 1 : 1.75, fill: "none" }),
    ...ticks,
    draw("text", { x: middle, y: total - 2, "text-anchor": "middle" }, "z"),
    draw("text", { transform: `translate(12 ${(MARGIN.top + base) / 2}) rotate(-90)`, "text-anchor": "middle" }, "density"),
    draw("text", { transform: `translate(12 ${floor - HEIGHT.weights / 2}) rotate(-90)`, "text-anchor": "middle" }, "weight"),
  );
  const shown = { mu: number(state.mu), sigma: number(state.sigma) };
  for (const name of ["mu", "sigma"]) {
    ui[name].value = state[name];
    ui[name].setAttribute("aria-valuetext", shown[name]);
    ui[`${name}Out`].textContent = shown[name];
  }
  ui.counts.forEach((button, i) => button.setAttribute("aria-pressed", String(fixed.counts[i] === state.k)));
  const ess = `${number(found.ess, found.ess < 100 ? 1 : 0)} of ${state.k}`;
  ui.numbers.exact.textContent = number(fixed.exact);
  ui.numbers.estimate.textContent = number(found.estimate);
  ui.numbers.ess.textContent = ess;
  ui.svg.setAttribute("aria-label", `Proposal with mean ${shown.mu} and width ${shown.sigma}: log p(x) estimated ${number(found.estimate)}, `
    + `exact ${number(fixed.exact)}; effective sample size ${ess}`);
}

function render({ model, el }) {
  let fixed;
  try {
    fixed = read(model);
  } catch (error) {
    console.error(error);
    el.replaceChildren(make("div", { class: "ims" }, make("style", {}, CSS),
      make("p", { class: "ims-error", role: "alert" }, `This figure could not be shown: ${error.message}.`)));
    return undefined;
  }
  const ui = build(fixed);
  const names = ["mu", "sigma", "k", "seed"];
  const current = () => Object.fromEntries(names.map((name) => [name, model.get(name)]));
  let queued = false;
  function ask() {
    if (queued) return;
    queued = true;
    requestAnimationFrame(() => {
      queued = false;
      if (ui.plot.clientWidth) paint(ui, fixed, current()); // else it is hidden
    });
  }
  function put(changes) {
    if ("mu" in changes) changes.mu = Math.max(-fixed.limit, Math.min(fixed.limit, changes.mu));
    model.set(changes);
    model.save_changes();
    ask();
  }
  for (const name of ["mu", "sigma"]) ui[name].addEventListener("input", () => put({ [name]: Number(ui[name].value) }));
  ui.counts.forEach((button, i) => button.addEventListener("click", () => put({ k: fixed.counts[i] })));
  ui.anew.addEventListener("click", () => put({ seed: model.get("seed") + 1 }));
  ui.prior.addEventListener("click", () => put({ mu: 0, sigma: 1 }));

  // a sideways drag anywhere in the figure moves q by as much; up and down, a finger scrolls the page
  let grip = null;
  const across = (event) => places(ui, fixed).z(event.clientX - ui.plot.getBoundingClientRect().left);
  ui.plot.addEventListener("pointerdown", (event) => {
    if (event.button || !event.isPrimary) return;
    grip = model.get("mu") - across(event);
    ui.plot.setPointerCapture(event.pointerId);
  });
  ui.plot.addEventListener("pointermove", (event) => {
    if (grip !== null && event.isPrimary) put({ mu: across(event) + grip });
  });
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) ui.plot.addEventListener(name, () => { grip = null; });

  function repaint() {
    ui.root.classList.toggle("ims-dark", isDark());
    ask();
  }
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
