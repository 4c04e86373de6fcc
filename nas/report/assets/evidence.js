// Evidence: growth of the front against random search, effects of modules, confirmation.

const coded = (text) => text.split(/`([^`]+)`/).map((t, i) => (i % 2 ? html`<code>${t}</code>` : t));
const sentence = (text) => coded(text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : "."));

function growth() {
  const { search, control, note } = DATA.history;
  if (!search) { show($("growth-note"), coded(note)); return; }
  // What is missing, on a logarithmic scale: from 0.98 to 0.99 of the box is as far as from 0.5 to 0.75.
  // Nothing is drawn before there is a front.
  const missing = (v) => (finite(v) ? Math.max(1 - v, 1e-6) : v);
  const rows = (t, key) => t[key].map((v, i) => [v, t.hypervolume[i], t.low?.[i], t.high?.[i]]).filter((r) => r[1] > 0)
    .map(([v, middle, low, high]) => [v, missing(middle), missing(high), missing(low)]);
  const over = (key) => [search, control].filter(Boolean).map((t) => ({
    dots: rows(t, key).map((r) => [r[0], r[1]]), step: !t.low,
    ...(t === control ? { color: "var(--orange)", dash: "6 3" } : { color: "var(--blue)" }),
    band: t.low ? rows(t, key).map((r) => [r[0], r[2], r[3]]) : null,
  }));
  const options = { left: 0, log: true }, name = "not dominated yet";
  lines("growth-evaluations", 260, `${name}, over evaluations`, over("evaluations"), "evaluations", name, options);
  lines("growth-seconds", 260, `${name}, over seconds of evaluation`, over("seconds"), "seconds of evaluation, workers added up", name, options);
  const icon = (color, dash) => html`<svg width="30" height="12" viewBox="0 0 30 12"><path d="M0 6H30" stroke="${color}" stroke-width="2.5" stroke-dasharray="${dash}"/></svg>`;
  show($("growth-legend"), html`<span>${icon("var(--blue)", "")}this search</span>${control ? html`<span>${icon("var(--orange)", "6 3")}random search</span>` : ""}`);
  const corner = Object.entries(DATA.history.reference ?? {}).map(([n, v]) => `${n} ${short(v)}`).join(", ");
  show($("growth-note"), coded(`${note} Drawn is the share of the box from ${corner} to the best possible that the front does not dominate yet (1 less its hypervolume), on a logarithmic scale: lower is better. Only the highest rung counts for it.`));
}

const verdictClass = (v) => ({ pays: "pays", "does not pay": "pays-not" })[v] ?? "unsettled";
const verdictText = (e) => html`<span class="${verdictClass(e.verdict)}">${e.verdict}</span>`;

function forest(rows, width) {
  const ends = rows.flatMap((e) => [Math.abs(e.low ?? 0), Math.abs(e.high ?? 0)]).sort((a, b) => a - b);
  const limit = (rows.length > 5 ? 1.3 * ends[Math.floor(0.9 * (ends.length - 1))] : ends[ends.length - 1]) || 0.01; // a few long intervals do not set the scale
  const at = (v) => width / 2 + (Math.max(-limit, Math.min(limit, v)) / limit) * (width / 2 - 6);
  return (e) => {
    const mid = e.effect ?? e.gain, color = { pays: "var(--green)", "does not pay": "var(--red)" }[e.verdict] ?? "var(--dot)";
    const bar = finite(e.low) ? html`<path d="M${at(e.low)} 9H${at(e.high)}" stroke="${color}" stroke-width="2.2"/>` : "";
    return html`<svg width="${width}" height="18" viewBox="0 0 ${width} 18" role="img" aria-label="${change(mid)}${METRIC.percent ? " points" : ""}"><path d="M${width / 2} 0V18" stroke="var(--line)"/>${bar}<circle cx="${at(mid)}" cy="9" r="3.6" fill="${color}"/></svg>`;
  };
}

// Site x module: the colour says how much, bold figures and frames that the interval leaves 0.
function heatMap(model) {
  const sites = model.where.map((e) => e.slot), modules = model.which.map((e) => e.choice);
  const cells = new Map(model.effects.map((e) => [`${e.slot}\n${e.choice}`, e]));
  const most = Math.max(...model.effects.map((e) => Math.abs(e.effect)), 1e-9), w = 58, h = 26, top = 110;
  const left = 20 + 7 * Math.max(...sites.map((s) => siteText(s).length));
  const body = [];
  modules.forEach((m, j) => body.push(html`<text class="name" transform="translate(${left + w * j + 20} ${top - 8}) rotate(-45)">${m}</text>`));
  sites.forEach((s, i) => {
    body.push(html`<text class="name" x="${left - 8}" y="${top + h * i + 17}" text-anchor="end">${siteText(s)}</text>`);
    modules.forEach((m, j) => {
      const e = cells.get(`${s}\n${m}`), x = left + w * j, y = top + h * i;
      if (!e) { body.push(html`<rect x="${x}" y="${y}" width="${w - 2}" height="${h - 2}" fill="none" stroke="var(--grid)"/>`); return; }
      const good = e.verdict !== "not enough evidence", up = better(e.effect, 0);
      body.push(html`<g role="img" aria-label="${m} ${siteText(s)}: ${change(e.effect)}, ${e.verdict}"><title>${m} ${siteText(s)}: ${change(e.effect)} (${change(e.low)} to ${change(e.high)}), ${e.verdict}, ${e.architectures} architectures</title><rect x="${x}" y="${y}" width="${w - 2}" height="${h - 2}" fill="${up ? "var(--green)" : "var(--red)"}" fill-opacity="${(0.08 + 0.55 * Math.abs(e.effect) / most).toFixed(2)}" stroke="${good ? "var(--ink)" : "none"}"/><text class="name" x="${x + w / 2 - 1}" y="${y + 17}" text-anchor="middle" font-weight="${good ? 700 : 400}">${change(e.effect)}</text></g>`);
    });
  });
  const width = left + w * modules.length + 60, height = top + h * sites.length + 6;
  return html`<div class="scroll"><svg class="heat" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="effect of each module at each site">${body}</svg></div>`;
}

function siteText(slot) {
  const parts = slot.split("."), how = parts.shift(), kind = parts.pop();
  return `${how === "after" ? "after" : "in place of"} ${parts.join(".")}${kind === "attention" || how === "replace" ? "" : ` (${kind})`}`;
}

function hostPart(model) {
  if (!model.told.length) return "";
  const draw = forest(model.where, wide());
  return html`${model.told.map((t) => html`<p>${coded(t)}</p>`)}<h3>Effect of each module at each site</h3><p class="note">${METRIC.percent ? "Points of " : "Change in "}${METRIC.name} against the host unchanged${model.costs.length ? ` at equal ${model.costs.join(" and ")}` : ""}. A frame and bold figures: the 95 % interval decides (it pays, or it does not). Point at a cell for its interval; an empty cell was never tried.</p>${heatMap(model)}<h3>Where: any module at a site, on average over those tried there</h3><div class="scroll"><table><thead><tr><th>site</th><th class="n">effect</th><th></th><th>95 % interval</th><th>verdict</th></tr></thead><tbody>${model.where.map((e) => html`<tr><td>${siteText(e.slot)}</td><td class="n">${change(e.effect)}</td><td>${draw(e)}</td><td>${change(e.low)} to ${change(e.high)}</td><td>${verdictText(e)}</td></tr>`)}</tbody></table></div>`;
}

const wide = () => (document.documentElement.clientWidth < 700 ? 90 : 190);

function effectTables(effects) {
  return [...new Set(effects.map((e) => e.slot))].map((name) => {
    const own = effects.filter((e) => e.slot === name), draw = forest(own, wide());
    return html`<h3>${name}, against ${own[0].against}</h3><div class="scroll"><table><thead><tr><th>choice</th><th class="n">effect</th><th></th><th>95 % interval</th><th>verdict</th><th class="n">architectures</th></tr></thead><tbody>${
      own.map((e) => html`<tr><td>${e.choice}</td><td class="n">${change(e.effect)}</td><td>${draw(e)}</td><td>${change(e.low)} to ${change(e.high)}</td><td>${verdictText(e)}</td><td class="n">${e.architectures}</td></tr>`)}</tbody></table></div>`;
  });
}

function moduleTables() {
  const { model, reason, pairs, nothing, advice } = DATA.modules, parts = [];
  if (nothing) parts.push(html`<p>${sentence(nothing)}</p>`, hostPart(model));
  else if (!model) parts.push(html`<p>${sentence(reason ?? "")}</p>`);
  else {
    parts.push(html`<p class="note">Change in ${METRIC.name}${METRIC.percent ? ", in points," : ""} at ${METRIC.name} ${metricText(model.at)}, where a choice stands in all places of its slot in place of the reference${model.costs.length ? ` and the network has the same ${model.costs.join(" and ")}` : ""}; 95 % intervals. From a model over ${model.measurements} measurements of ${model.architectures} architectures, so what the sampler preferred does not count for a module. One evaluation scatters by ${spread(model.noise)}${METRIC.percent ? " points" : ""}; of ${model.effects.length + model.training.length} intervals about ${(0.05 * (model.effects.length + model.training.length)).toFixed(1)} miss their effect by chance.</p>`);
    parts.push(hostPart(model));
    parts.push(effectTables(model.effects));
    if (model.training.length) parts.push(html`<h3>Training settings, apart from modules</h3><p class="note">Each value against the first of its list, from the same model: the modules are taken alike.</p>`, effectTables(model.training));
  }
  if (advice) parts.push(html`<p>${coded(`To settle what is open: ${advice.text}.`)}</p>`);
  const heads = new Map(pairs.map((c) => [`${c.slot}\n${c.against}`, c]));
  for (const { slot: name, against } of heads.values()) {
    const own = pairs.filter((c) => c.slot === name && c.against === against), draw = forest(own, wide()), costs = ["params", "flops", "latency_ms"].filter((c) => c in own[0].costs);
    parts.push(html`<h3>${name}: matched pairs against ${against}, all else equal</h3><p class="note">Networks that differ in this slot alone, trained side by side. Costs are not equal here: each column gives the cost and the change against ${own[0].against}.${DATA.latency && costs.includes("latency_ms") ? ` ${DATA.latency.text}` : ""}</p><div class="scroll"><table><thead><tr><th>choice</th><th class="n">gain</th><th></th><th>95 % interval</th><th>verdict</th><th class="n">${METRIC.name}</th><th class="n">pairs</th>${costs.map((c) => html`<th class="n">${c}</th>`)}</tr></thead><tbody>${
      own.map((c) => html`<tr><td>${c.choice}</td><td class="n">${change(c.gain)}</td><td>${draw(c)}</td><td>${c.choice === c.against ? "reference" : finite(c.low) ? `${change(c.low)} to ${change(c.high)}` : "one pair"}</td><td>${verdictText(c)}${c.over_budget ? html`<br><span class="unsettled">over budget${c.over_budget < c.pairs ? ` in ${c.over_budget} of ${c.pairs}` : ""}</span>` : ""}</td><td class="n">${metricText(c.value)}</td><td class="n">${c.pairs}</td>${costs.map((k) => html`<td class="n">${short(c.costs[k])}${finite(c.added[k]) && c.choice !== c.against ? ` (${c.added[k] >= 0 ? "+" : "−"}${Math.abs(100 * c.added[k]).toFixed(0)} %)` : ""}</td>`)}</tr>`)}</tbody></table></div>`);
  }
  show($("modules-body"), parts);
}

function confirmation() {
  const found = DATA.confirmation;
  if (!found) {
    show($("confirmation-body"), html`<p>Not confirmed yet: every value above is the search's own.${DATA.confirmable ? html` <code>nas confirm ${DATA.path}</code> trains the front longer, with several seeds, and scores it on the test images.` : ""}</p>`);
    return;
  }
  const rows = found.members.map((m) => html`<tr ${byId.has(m.id) ? html`data-id="${m.id}"` : ""}><td>${m.id}</td><td>${m.kind === "control" ? "random" : m.kind}</td><td class="n">${metricMean(m[`test_${METRIC.name}`], m[`test_${METRIC.name}_std`])}</td><td class="n">${m.n}</td><td class="n">${short(m[DATA.cost])}</td><td class="n">${metricText(m[`proxy_${METRIC.name}`])}</td><td class="n">${metricText(m[`proxy_${METRIC.name}_again`])}</td></tr>`);
  show($("confirmation-body"), html`<ul>${found.verdicts.map((v) => html`<li>${v}</li>`)}</ul><div class="scroll"><table><thead><tr><th>id</th><th>kind</th><th class="n">test ${METRIC.name} ± sd</th><th class="n">seeds</th><th class="n">${DATA.cost}</th><th class="n">proxy, in the search</th><th class="n">proxy, measured again</th></tr></thead><tbody>${rows}</tbody></table></div>`);
}
