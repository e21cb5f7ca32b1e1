// Fully connected networks in 8-bit weights, as packing.py packs them.

/** erf to 1.5e-7 (Abramowitz & Stegun 1964, 7.1.26), for gelu. */
function erf(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const tail = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return Math.sign(x) * (1 - tail * Math.exp(-x * x));
}

export const ACTIVATIONS = {
  linear: (a) => a,
  tanh: Math.tanh,
  relu: (a) => (a > 0 ? a : 0),
  silu: (a) => a / (1 + Math.exp(-a)),
  gelu: (a) => 0.5 * a * (1 + erf(a * Math.SQRT1_2)),
  sigmoid: (a) => 1 / (1 + Math.exp(-a)),
  clip: (a) => Math.min(1, Math.max(0, a)),
};

/** Layers from bytes: for each, rows × cols int8, then rows float32 scales, then rows float32 biases. */
export function unpack(view, shapes) {
  const expected = shapes.reduce((sum, { rows, cols }) => sum + rows * cols + 8 * rows, 0);
  if (!view || view.byteLength !== expected) {
    throw new Error(`its network needs ${expected} bytes of weights, but ${view?.byteLength ?? 0} are there`);
  }
  let at = view.byteOffset;
  const floats = (n) => new Float32Array(view.buffer.slice(at, (at += 4 * n)));
  return shapes.map(({ rows, cols, activation }) => {
    const f = ACTIVATIONS[activation];
    if (!f) throw new Error(`it does not know the activation "${activation}"`);
    const q = new Int8Array(view.buffer, at, rows * cols);
    at += rows * cols;
    const scales = floats(rows);
    const bias = floats(rows);
    const w = Float32Array.from(q, (value, k) => value * scales[Math.floor(k / cols)]);
    return { rows, cols, w, bias, f, out: new Float32Array(rows) };
  });
}

/** What the layers make of x, such as the pixels of a code. The array belongs to the last layer and is used again. */
export function run(layers, x) {
  for (const { rows, cols, w, bias, f, out } of layers) {
    for (let r = 0; r < rows; r++) {
      // four partial sums: about twice as fast as one
      const base = r * cols;
      let s0 = bias[r], s1 = 0, s2 = 0, s3 = 0, c = 0;
      for (; c + 3 < cols; c += 4) {
        s0 += w[base + c] * x[c];
        s1 += w[base + c + 1] * x[c + 1];
        s2 += w[base + c + 2] * x[c + 2];
        s3 += w[base + c + 3] * x[c + 3];
      }
      for (; c < cols; c++) s0 += w[base + c] * x[c];
      out[r] = f(s0 + s1 + s2 + s3);
    }
    x = out;
  }
  return x;
}
