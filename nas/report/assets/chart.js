// Small tools for charts: text, scales, ticks, axes. Charts are SVG text put into a div.

const DATA = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);

// Markup is made by html`...` alone. Whatever is put into it is text, unless html`...` made it too.
class Markup { constructor(text) { this.text = text; } }
const escaped = (value) => String(value).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
const markup = (value) => (value instanceof Markup ? value.text : Array.isArray(value) ? value.map(markup).join("") : escaped(value));
const html = (texts, ...values) => new Markup(texts.map((text, i) => (i ? markup(values[i - 1]) : "") + text).join(""));
function show(target, value) {
  target.innerHTML = markup(value);
  for (const img of target.querySelectorAll("[data-picture]")) img.src = img.dataset.picture;
}

const finite = (value) => typeof value === "number" && Number.isFinite(value);

// Of any number of values: Math.min(...values) fails beyond some ten thousand.
const lowestOf = (values) => values.reduce((a, b) => Math.min(a, b), Infinity);
const highestOf = (values) => values.reduce((a, b) => Math.max(a, b), -Infinity);

function short(value, digits = 3) {
  if (!finite(value)) return "–";
  for (const [limit, suffix] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (Math.abs(value) >= limit) return `${+(value / limit).toPrecision(digits)}${suffix}`;
  }
  return `${+value.toPrecision(digits)}`;
}
// The main objective: how its values, their spread and their differences are written.
const METRIC = DATA.metric;
const better = (a, b) => (METRIC.direction === "max" ? a > b : a < b);
const spread = (value) => (METRIC.percent ? (100 * value).toFixed(2) : short(value));
const metricTick = (v) => (METRIC.percent ? `${+(100 * v).toPrecision(4)} %` : short(v));
const metricText = (value) => (!finite(value) ? "–" : METRIC.percent ? `${(100 * value).toFixed(2)} %` : short(value, 4));
const metricMean = (mean, deviation) => metricText(mean) + (finite(deviation) ? ` ± ${spread(deviation)}` : "");
const change = (value) => `${value >= 0 ? "+" : "−"}${spread(Math.abs(value))}`;
const NAMES = {
  flops: "FLOPs (2 per multiply-add)", macs: "multiply-adds", params: "parameters",
  memory: "peak activation memory, bytes", latency_ms: "latency, ms",
  elementwise: "elementwise operations", evaluation: "number of the evaluation",
};

// A scale maps values to pixels. `bend` straightens the axis: identity, logarithm, or -log(error).
function scale(low, high, from, to, bend = (v) => v, ticks = null) {
  const a = bend(low), b = bend(high), span = b - a || 1;
  const at = (v) => from + ((bend(v) - a) / span) * (to - from);
  return { at, low, high, ticks: ticks ?? evenTicks(low, high) };
}

function evenTicks(low, high, about = 5) {
  const raw = (high - low) / about || 1, power = 10 ** Math.floor(Math.log10(raw));
  const step = power * ([1, 2, 5, 10].find((k) => k * power >= raw) ?? 10);
  const found = [];
  for (let v = Math.ceil(low / step) * step; v <= high + step * 1e-9; v += step) {
    found.push(+v.toPrecision(10));
  }
  return found;
}

function logTicks(low, high) {
  const found = [];
  for (let e = Math.floor(Math.log10(low)); e <= Math.log10(high); e++) {
    for (const k of [1, 2, 5]) {
      const v = k * 10 ** e;
      if (v >= low * 0.999 && v <= high * 1.001) found.push(v);
    }
  }
  return found;
}

function costScale(values, from, to) {
  const positive = values.filter((v) => v > 0);
  const low = lowestOf(positive), high = highestOf(positive);
  if (positive.length === values.length && high > 5 * low) {
    const room = (high / low) ** 0.04;
    const ticks = logTicks(low / room, high * room);
    const few = to - from < 480 && ticks.length > 5;
    return scale(low / room, high * room, from, to, Math.log10,
      few ? ticks.filter((v) => /^1/.test(v.toExponential())) : ticks);
  }
  const room = 0.05 * (highestOf(values) - lowestOf(values) || Math.abs(high) || 1);
  return scale(lowestOf(values) - room, highestOf(values) + room, from, to);
}

const LEVELS = [0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9999];

// The least error that a logarithmic axis shows, or null where a linear one serves better.
function errorFloor(values) {
  if (!METRIC.percent || METRIC.direction !== "max") return null;
  const errors = values.filter(finite).map((a) => 1 - a), positive = errors.filter((e) => e > 1e-9);
  if (!positive.length) return null;
  const lowest = lowestOf(errors), smallest = lowestOf(positive);
  if (lowest > 0.1 || highestOf(positive) < 5 * smallest) return null;
  return lowest <= 1e-9 ? smallest / 2 : smallest / 4;
}

function metricScale(values, from, to, floor) {
  const sorted = values.filter(finite).sort((a, b) => a - b);
  const low = sorted[0], high = sorted[sorted.length - 1];
  if (floor === null) {
    const room = 0.06 * (high - low || 0.1);
    return scale(low - room, METRIC.percent ? Math.min(high + room, 1 + room) : high + room, from, to);
  }
  const bend = (a) => -Math.log10(Math.max(1 - a, floor));
  const bottom = 1 - (1 - low) * 1.15, top = high >= 1 - floor ? 1 - floor : 1 - (1 - high) / 1.4;
  const ticks = LEVELS.filter((v) => v > bottom && v < Math.min(top, 1 - floor));
  if (high >= 1 - floor) ticks.push(1);
  return scale(bottom, top, from, to, bend, ticks);
}

// The frame of a chart: grid, axes, tick texts, axis names.
function frame(box, x, y, xName, yName, xText = short, yText = metricTick) {
  const { width, height, left, right, top, bottom } = box;
  const parts = [];
  let last = -1e9;
  for (const v of x.ticks) {
    const at = x.at(v);
    parts.push(html`<line class="grid" x1="${at}" x2="${at}" y1="${top}" y2="${height - bottom}"/>`);
    if (at - last > 34) {
      parts.push(html`<text x="${at}" y="${height - bottom + 17}" text-anchor="middle">${xText(v)}</text>`);
      last = at;
    }
  }
  for (const v of y.ticks) {
    const at = y.at(v);
    parts.push(html`<line class="grid" x1="${left}" x2="${width - right}" y1="${at}" y2="${at}"/>`);
    parts.push(html`<text x="${left - 7}" y="${at + 4}" text-anchor="end">${yText(v)}</text>`);
  }
  parts.push(html`<line class="axis" x1="${left}" x2="${width - right}" y1="${height - bottom}" y2="${height - bottom}"/>`);
  parts.push(html`<text class="name" x="${(left + width - right) / 2}" y="${height - 6}" text-anchor="middle">${xName}</text>`);
  parts.push(html`<text class="name" x="${left - 44}" y="${top - 9}">${yName}</text>`);
  return parts;
}

function boxOf(target, height) {
  const width = Math.max(280, target.clientWidth);
  return { width, height, left: 56, right: 14, top: 26, bottom: 42 };
}

function put(target, box, label, body) {
  show(target, html`<svg viewBox="0 0 ${box.width} ${box.height}" role="img" aria-label="${label}">${body}</svg>`);
}

const path = (dots) => dots.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

function lines(id, height, label, series, xName, yName, options = {}) {
  const target = $(id), box = boxOf(target, height);
  const all = series.flatMap((s) => s.dots), xs = all.map((d) => d[0]);
  const ys = [...all.map((d) => d[1]), ...series.flatMap((s) => (s.band ?? []).flatMap((b) => [b[1], b[2]]))];
  if (!all.length) { show(target, ""); return; }
  const x = scale(options.left ?? lowestOf(xs), highestOf(xs), box.left, box.width - box.right);
  const top = highestOf(ys), low = options.zero ? 0 : lowestOf(ys), room = 0.05 * (top - low || 1);
  const y = options.log
    ? scale(0.9 * low, 1.1 * top, box.height - box.bottom, box.top, Math.log10, logTicks(0.9 * low, 1.1 * top))
    : scale(low - (options.zero ? 0 : room), top + room, box.height - box.bottom, box.top);
  const body = [frame(box, x, y, xName, yName, short, options.yText ?? ((v) => short(v)))];
  for (const s of series) {
    if (s.band) {
      const up = s.band.map((b) => [x.at(b[0]), y.at(b[2])]), down = s.band.map((b) => [x.at(b[0]), y.at(b[1])]);
      body.push(html`<path d="${path([...up, ...down.reverse()])}Z" fill="${s.color}" opacity="0.18"/>`);
    }
    const dots = s.step
      ? s.dots.flatMap(([a, b], i) => (i ? [[x.at(a), y.at(s.dots[i - 1][1])], [x.at(a), y.at(b)]] : [[x.at(a), y.at(b)]]))
      : s.dots.map(([a, b]) => [x.at(a), y.at(b)]);
    body.push(html`<path d="${path(dots)}" fill="none" stroke="${s.color}" stroke-width="2" ${s.dash ? html`stroke-dasharray="${s.dash}"` : ""}/>`);
    if (s.marks) body.push(...s.dots.map(([a, b]) => html`<circle cx="${x.at(a)}" cy="${y.at(b)}" r="3" fill="${s.color}"/>`));
  }
  put(target, box, label, body);
}
