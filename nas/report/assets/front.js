// The front: every network as a point, cost against the main objective; table below.

const state = { cost: DATA.cost, chosen: DATA.knee ?? DATA.networks[0]?.id ?? null, log: true };
const byId = new Map(DATA.networks.map((n) => [n.id, n]));

// What stands in a network and, where the search chose it, how it is trained.
const stands = (n) => (n.training ? `${n.modules} · ${n.training}` : n.modules);

function within(n) {
  return Object.entries(DATA.budget).every(([name, limit]) => !finite(n.costs[name]) || n.costs[name] <= limit);
}

// Non-dominated in the main objective and the cost shown: the staircase of this picture.
function staircase(cost) {
  const sorted = DATA.networks.filter((n) => within(n) && finite(n.costs[cost]))
    .sort((a, b) => a.costs[cost] - b.costs[cost] || (better(b.metric, a.metric) ? 1 : -1));
  const found = [];
  for (const n of sorted) if (!found.length || better(n.metric, found[found.length - 1].metric)) found.push(n);
  return found;
}

function drawFront() {
  const target = $("front-chart"), box = boxOf(target, target.clientWidth < 600 ? 360 : 460);
  const shown = DATA.networks.filter((n) => finite(n.costs[state.cost]));
  if (!shown.length) { target.textContent = DATA.failures.all ? `Nothing has finished the highest rung: ${DATA.failures.all} of ${DATA.counts.measurements} evaluations failed (below).` : "Nothing has finished the highest rung yet."; return; }
  const limit = DATA.budget[state.cost], costs = shown.map((n) => n.costs[state.cost]);
  const besides = DATA.controls.map((c) => c.costs[state.cost]).filter(finite);
  const x = costScale([...costs, ...besides, ...(finite(limit) ? [limit] : [])], box.left, box.width - box.right);
  const values = shown.map((n) => n.metric).sort((a, b) => a - b);
  const steps = staircase(state.cost);
  const seen = [...steps, ...shown.filter((n) => n.front)].map((n) => n.metric), last = values.length - 1;
  const most = METRIC.direction === "max"; // a few bad ones do not set the scale
  const low = most ? Math.min(values[Math.floor(0.05 * last)], ...seen) : values[0];
  const high = most ? values[last] : Math.max(values[Math.ceil(0.95 * last)], ...seen);
  const tests = shown.filter((n) => n.test).flatMap((n) => {
    const { metric: mean, std } = n.test, reach = std ?? 0;
    if (!METRIC.percent) return [mean - reach, mean, mean + reach];
    return [mean - reach, mean, Math.min(mean + reach, mean + 0.75 * (1 - mean))]; // a bar that reaches 100 % has no end on this axis
  });
  const controls = DATA.controls.filter((c) => finite(c.costs[state.cost]) && finite(c.metric));
  const range = [...values.filter((v) => v >= low && v <= high), ...tests, ...controls.map((c) => c.metric)];
  const floor = state.log ? errorFloor([...values, ...tests]) : null;
  const y = metricScale(range, box.height - box.bottom, box.top, floor);
  const yAt = (v) => Math.max(box.top, Math.min(y.at(Math.min(Math.max(v, y.low), Math.max(y.high, y.low))), box.height - box.bottom));
  const body = [frame(box, x, y, NAMES[state.cost] ?? state.cost, floor === null ? METRIC.name : `${METRIC.name} (log error)`)];
  if (finite(limit)) {
    const at = x.at(limit);
    body.push(html`<rect x="${at}" y="${box.top}" width="${Math.max(0, box.width - box.right - at)}" height="${box.height - box.top - box.bottom}" fill="var(--red)" opacity="0.08"/>`,
      html`<line x1="${at}" x2="${at}" y1="${box.top}" y2="${box.height - box.bottom}" stroke="var(--red)" stroke-width="1.6" stroke-dasharray="7 4"/>`);
  }
  const end = x.at(finite(limit) ? limit : highestOf(costs));
  body.push(...steps.map((n, i) => {
    const at = x.at(n.costs[state.cost]), next = i + 1 < steps.length ? x.at(steps[i + 1].costs[state.cost]) : end;
    const corner = [[at, yAt(steps[Math.max(i - 1, 0)].metric)], [at, yAt(n.metric)], [next, yAt(n.metric)]];
    return html`<path class="step" d="${path(corner)}" fill="none" stroke="var(--blue)" stroke-width="1.8" opacity="${light(n) ? 0.4 : 1}"/>`;
  }));
  body.push(...shown.filter((n) => n.front && finite(n.interval[0])).map((n) => bar(n, x, yAt)));
  const order = [...shown].sort((a, b) => a.front - b.front);
  body.push(...order.map((n) => mark(n, x.at(n.costs[state.cost]), yAt(n.metric), n.metric < y.low ? -1 : n.metric > y.high ? 1 : 0)));
  body.push(...shown.filter((n) => n.test).map((n) => confirmedMark(n, x, yAt)));
  body.push(...controls.map((c) => controlMark(c, x.at(c.costs[state.cost]), yAt(c.metric))));
  put(target, box, `${NAMES[state.cost] ?? state.cost} against ${METRIC.name} of ${shown.length} networks`, body);
}

// Not told apart from the next cheaper by the noise of the images, in the cost that the search had.
function light(n) {
  return state.cost === DATA.cost && DATA.noise.light.includes(n.id);
}

function bar(n, x, yAt) {
  return html`<path d="M${x.at(n.costs[state.cost])} ${yAt(n.interval[0])}V${yAt(n.interval[1])}" stroke="var(--blue)" stroke-width="1.2" opacity="0.35" pointer-events="none"/>`;
}

function mark(n, x, y, outside) {
  const ring = n.id === state.chosen ? html`<circle cx="${x}" cy="${y}" r="12" fill="none" stroke="var(--ink)" stroke-width="1.6"/>` : "";
  let shape;
  if (n.id === DATA.knee) {
    shape = html`<rect x="${x - 6.5}" y="${y - 6.5}" width="13" height="13" transform="rotate(45 ${x} ${y})" fill="var(--knee)" stroke="var(--ink)" stroke-width="1.4"/>`;
  } else if (n.front) {
    shape = html`<circle cx="${x}" cy="${y}" r="6" fill="var(--blue)" fill-opacity="${light(n) ? 0.4 : 1}" stroke="var(--paper)" stroke-width="1.4"/>`;
  } else if (outside) {
    shape = html`<path d="M${x - 4} ${y + 6 * outside}h8l-4 ${-6 * outside}z" fill="var(--dot)"/>`;
  } else {
    shape = html`<circle cx="${x}" cy="${y}" r="3.6" fill="none" stroke="var(--dot)" stroke-width="1.2"/>`;
  }
  const focus = n.front ? html`tabindex="0" role="button"` : "";
  return html`<g class="hit" data-id="${n.id}" ${focus} aria-label="${n.id}: ${metricText(n.metric)}"><circle cx="${x}" cy="${y}" r="11" fill="transparent"/>${ring}${shape}</g>`;
}

function confirmedMark(n, x, yAt) {
  const at = x.at(n.costs[state.cost]), mid = yAt(n.test.metric);
  const up = yAt(Math.min(METRIC.percent ? 1 : Infinity, n.test.metric + (n.test.std ?? 0))), down = yAt(n.test.metric - (n.test.std ?? 0));
  return html`<g stroke="var(--ink)" stroke-width="1.4" pointer-events="none"><path d="M${at} ${up}V${down}M${at - 4} ${up}h8M${at - 4} ${down}h8"/><rect x="${at - 3.5}" y="${mid - 3.5}" width="7" height="7" fill="var(--paper)"/></g>`;
}

// The host unchanged is a cross with four arms, a placebo one that lies.
function controlShape(name, x, y) {
  const arm = html`<path d="M${x - 7} ${y - 2.5}h4.5v-4.5h5v4.5h4.5v5h-4.5v4.5h-5v-4.5h-4.5z"`;
  return name === "host" ? html`${arm} fill="var(--green)" stroke="var(--ink)"/>` : html`${arm} transform="rotate(45 ${x} ${y})" fill="var(--red)" stroke="var(--ink)"/>`;
}

function controlMark(c, x, y) {
  return html`<g role="img" aria-label="${c.name}: ${metricText(c.metric)}" pointer-events="none">${controlShape(c.name, x, y)}<text class="name" x="${x + 9}" y="${y + 15}">${c.name}</text></g>`;
}

function frontLegend() {
  const icon = (shape) => html`<svg width="18" height="16" viewBox="0 0 18 16">${shape}</svg>`;
  const items = [
    [icon(html`<circle cx="9" cy="8" r="6" fill="var(--blue)"/>`), "front"],
    [icon(html`<rect x="4" y="3" width="10" height="10" transform="rotate(45 9 8)" fill="var(--knee)" stroke="var(--ink)"/>`), "knee"],
    [icon(html`<circle cx="9" cy="8" r="3.6" fill="none" stroke="var(--dot)" stroke-width="1.4"/>`), "evaluated"],
  ];
  if (DATA.networks.some(light)) items.splice(1, 0, [icon(html`<circle cx="9" cy="8" r="6" fill="var(--blue)" fill-opacity="0.4"/>`), "front, within the noise (~)"]);
  if (finite(DATA.budget[state.cost])) items.push([icon(html`<path d="M9 0V16" stroke="var(--red)" stroke-width="2" stroke-dasharray="5 3"/>`), `budget ${short(DATA.budget[state.cost])}`]);
  if (DATA.confirmation) items.push([icon(html`<path d="M9 1V15" stroke="var(--ink)"/><rect x="5.5" y="4.5" width="7" height="7" fill="var(--paper)" stroke="var(--ink)"/>`), "confirmed on test images, ± sd over seeds"]);
  for (const name of new Set(DATA.controls.map((c) => c.name))) items.push([icon(controlShape(name, 9, 8)), name === "host" ? "host, unchanged" : name]);
  show($("front-legend"), items.map(([i, t]) => html`<span>${i}${t}</span>`));
  const goals = Object.entries(DATA.objectives).map(([n, d]) => `${d}. ${n}`).join(", ");
  show($("front-note"), html`Filled points are non-dominated in ${goals}; the line is the best ${METRIC.name} within each ${state.cost}. ${sentence(METRIC.note)} ${DATA.noise.text ? html`${sentence(DATA.noise.text)} ` : ""}${DATA.best ? html`${sentence(DATA.best)} ` : ""}${sampled()}Point at a network for its modules; choose it for its drawing.`);
}

function sampled() {
  if (DATA.networks.length === DATA.evaluated) return "";
  return `Of ${DATA.evaluated} networks this page shows ${DATA.networks.length}: all of the front, all that were confirmed, and of the others some drawn at random. `;
}

function frontTable() {
  const on = DATA.networks.filter((n) => n.front).sort((a, b) => a.costs[state.cost] - b.costs[state.cost]);
  const tested = on.some((n) => n.test);
  const rest = DATA.costs.filter((c) => !["macs", "elementwise", state.cost].includes(c)).slice(0, 3);
  const head = ["id", METRIC.name, state.cost, ...rest, "± sd", "seeds"], extra = (i) => (i > 2 ? " extra" : "");
  const cells = (n) => [`${metricText(n.metric)}${rangeText(n)}`, short(n.costs[state.cost]), ...rest.map((c) => short(n.costs[c])), finite(n.std) ? spread(n.std) : "–", n.n];
  const test = (n) => (!tested ? "" : html`<td class="n">${n.test ? `${metricMean(n.test.metric, n.test.std)}${rangeText(n.test)} (${n.test.n})` : "–"}</td>`);
  show($("front-table"), html`<thead><tr>${head.map((h, i) => html`<th class="${i ? "n" : ""}${extra(i)}">${h}</th>`)}${tested ? html`<th class="n">test (seeds)</th>` : ""}<th class="extra">modules</th></tr></thead><tbody>${
    on.map((n) => html`<tr data-id="${n.id}" class="${n.id === state.chosen ? "on" : ""}"><td><button type="button">${n.id}</button>${n.id === DATA.knee ? " ◆" : ""}${DATA.noise.light.includes(n.id) ? " ~" : ""}</td>${
      cells(n).map((c, i) => html`<td class="n${extra(i + 1)}">${c}</td>`)}${test(n)}<td class="wide extra">${stands(n)}</td></tr>`)}${DATA.controls.map(controlRow)}</tbody>`);

  function controlRow(c) {
    const own = [`${metricText(c.metric)}${rangeText(c)}`, short(c.costs[state.cost]), ...rest.map((k) => short(c.costs[k])), "–", c.n];
    return html`<tr><td><b>${c.name}</b> ${c.id}</td>${own.map((t, i) => html`<td class="n${extra(i + 1)}">${t}</td>`)}${tested ? html`<td class="n">–</td>` : ""}<td class="wide extra">${c.modules}</td></tr>`;
  }
}

function rangeText(n) {
  return finite(n.interval[0]) ? ` [${spread(n.interval[0])}, ${spread(n.interval[1])}]` : "";
}

function tipOf(n) {
  const costs = DATA.costs.filter((c) => c !== "elementwise").map((c) => `${c} ${short(n.costs[c])}`).join(" · ");
  const seeds = n.n > 1 ? ` ± ${spread(n.std)} (${n.n} seeds)` : " (one seed)";
  const test = n.test ? html`<br>on test images ${metricMean(n.test.metric, n.test.std)}${rangeText(n.test)} (${n.test.n} seeds)` : "";
  return html`<b>${metricText(n.metric)}</b>${rangeText(n)}${seeds} · ${n.id}${n.id === DATA.knee ? " · knee" : ""}${test}<br>${costs}<br>${stands(n)}`;
}

function showTip(n, event) {
  const tip = $("tip");
  show(tip, tipOf(n));
  tip.hidden = false;
  const at = event.touches?.[0] ?? event;
  const x = at.pageX ?? 0, y = at.pageY ?? 0, wide = document.documentElement.clientWidth;
  tip.style.left = `${Math.max(6, Math.min(x + 14, wide - tip.offsetWidth - 8))}px`;
  const above = y - tip.offsetHeight - 14;
  tip.style.top = `${above > window.scrollY ? above : y + 18}px`;
}

function listenFront() {
  const chart = $("front-chart");
  const found = (event) => byId.get(event.target.closest?.("[data-id]")?.dataset.id);
  chart.addEventListener("pointermove", (event) => {
    const n = found(event);
    if (n) showTip(n, event); else $("tip").hidden = true;
  });
  chart.addEventListener("pointerleave", () => { $("tip").hidden = true; });
  chart.addEventListener("focusin", (event) => {
    const n = found(event), at = event.target.getBoundingClientRect();
    if (n) showTip(n, { pageX: at.x + window.scrollX, pageY: at.y + window.scrollY });
  });
  chart.addEventListener("focusout", () => { $("tip").hidden = true; });
  chart.addEventListener("click", (event) => { const n = found(event); if (n) choose(n.id); });
  chart.addEventListener("keydown", (event) => {
    const n = found(event);
    if (n && (event.key === "Enter" || event.key === " ")) { event.preventDefault(); choose(n.id); }
  });
  $("front-table").addEventListener("click", (event) => { const n = found(event); if (n) choose(n.id); });
}
