// Data of the page, and small tools for what draws them.

const flags = JSON.parse(document.getElementById("flags").textContent);
const unusable = flags.reduce((bits, flag) => (flag.unusable ? bits | flag.bit : bits), 0);

window.addEventListener("error", (event) => { document.body.dataset.error = event.message; });

const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
const floats = (text) => new Float32Array(bytes(text));
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const superscript = (text) => text.replace(/./g, (c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"["0123456789".indexOf(c)] || (c === "-" ? "⁻" : c));
const prettyUnit = (unit) => unit.replace(/Angstrom/g, "Å").replace(/([A-Za-zÅ)])(-?\d+)\b/g, (_, a, n) => a + superscript(n));

function niceTicks(low, high, wanted) {
  const rough = (high - low) / Math.max(1, wanted);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((f) => f * power).find((s) => s >= rough) || power;
  const ticks = [];
  for (let i = Math.ceil(low / step); i * step <= high; i++) ticks.push(i * step);
  return { ticks, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function load(raw) {
  const s = { ...raw, x: new Float64Array(bytes(raw.x)), y: floats(raw.y), e: floats(raw.e), flags: new Int16Array(bytes(raw.flags)) };
  s.columns = Object.fromEntries(Object.entries(raw.columns).map(([name, text]) => [name, floats(text)]));
  s.good = Array.from(s.y, (y, i) => !(s.flags[i] & unusable) && Number.isFinite(y) && s.e[i] > 0);
  if (!s.good.some(Boolean)) s.good = Array.from(s.y, (y) => Number.isFinite(y) && y !== 0);
  return s;
}

function extent(spectra) {
  let [low, high] = [Infinity, -Infinity];
  for (const s of spectra) s.good.forEach((good, i) => { if (good) { low = Math.min(low, s.x[i]); high = Math.max(high, s.x[i]); } });
  if (!(high > low)) for (const s of spectra) { low = Math.min(low, s.x[0]); high = Math.max(high, s.x[s.x.length - 1]); }
  const pad = (high - low) * 0.01 || 1;
  return [low - pad, high + pad];
}

// First index with x >= value; wavelengths rise.
function indexOf(x, value) {
  let [low, high] = [0, x.length];
  while (low < high) { const middle = (low + high) >> 1; if (x[middle] < value) low = middle + 1; else high = middle; }
  return low;
}
