// One network: facts, the drawing slot by slot, the course of its training.

const PLAIN = new Set(["none", "add"]);

function facts(n) {
  const rows = [["id", n.id + (n.id === DATA.knee ? " (the knee)" : n.front ? " (on the front)" : "")],
    [METRIC.name, `${metricText(n.metric)}${rangeText(n)}${n.n > 1 ? ` ± ${spread(n.std)} over ${n.n} seeds` : ", one seed"} (${METRIC.of})`]];
  if (n.test) rows.push(["confirmed", `${metricMean(n.test.metric, n.test.std)}${rangeText(n.test)} over ${n.test.n} seeds (long training, test images)`]);
  rows.push(["costs", DATA.costs.map((c) => `${c} ${short(n.costs[c], 4)}`).join(", ")]);
  rows.push(["evaluation", `ledger task ${[...new Set(n.numbers)].join(", ")}; ${short(n.seconds)} s of training in all`]);
  const gates = Object.entries(n.gates ?? {});
  if (gates.length) rows.push(["gates after training", gates.map(([plug, [mean, most]]) => `${plug}: mean |g| ${mean.toFixed(3)}, largest ${most.toFixed(3)}`).join("; ")]);
  if (DATA.confirmable) rows.push(["export", `nas export ${DATA.path} --pick ${n.id}`]);
  show($("network-facts"), html`<dl class="facts">${rows.map(([a, b]) => html`<dt>${a}</dt><dd>${a === "export" ? html`<code>${b}</code>` : b}</dd>`)}</dl>${n.looks ? html`<h3>Where its plugs change the maps</h3><p class="note">Some validation images, and for each plug the mean over channels of |g (m(x) − x)|, how much it changes the map at each place: bright is the most in that picture, black is nothing.</p><img class="looks" data-picture="${n.looks}" alt="maps of where each plug of ${n.id} changes what the host computes">` : ""}`);
}

function slot(name, text) {
  return html`<span class="slot ${name} ${PLAIN.has(text) && name !== "fusion" ? "empty" : ""}"><small>${name}</small>${text}</span>`;
}

const ARROW = html`<span class="arrow" aria-hidden="true">→</span>`;
const between = (slots) => slots.map((own, i) => (i ? [ARROW, own] : own));

function blockFlow(part) {
  const s = part.slots, moves = part.numbers.stride > 1 || part.numbers.in_channels !== part.numbers.out_channels;
  const main = ["operator", "activation", "attention"].filter((k) => k in s).map((k) => slot(k, s[k]));
  const bypass = `shortcut: ${moves ? "projected to the new width" : "as it is"}, joined by fusion`;
  return html`<div class="around"><span class="bypass">↷ ${bypass}</span><span class="flow">${between(main)}${ARROW}${slot("fusion", s.fusion)}</span></div>`;
}

function levelFlow(part) {
  const s = part.slots, joined = html`${slot("upsampling", s.upsampling)}${ARROW}${slot("fusion", `${s.fusion}, with the map of ${part.source}`)}`;
  return html`<span class="flow">${joined}${ARROW}${between(["operator", "activation", "attention"].map((k) => slot(k, s[k])))}</span>`;
}

function partFlow(part) {
  if ("upsampling" in part.slots) return levelFlow(part);
  if ("operator" in part.slots) return blockFlow(part);
  const own = Object.entries(part.slots).map(([k, v]) => slot(k, v));
  if (part.position === "stem") own.push(slot("skeleton", `${part.numbers.kernel_size}×${part.numbers.kernel_size} convolution, norm, relu`));
  if (part.position === "head") own.push(slot("skeleton", "pooling" in part.slots ? `linear to ${part.numbers.classes} classes` : `1×1 convolution to ${part.numbers.classes} classes, resampled to the image`));
  return html`<span class="flow">${between(own)}</span>`;
}

function drawing(n) {
  if (!n.parts.length) {
    show($("drawing"), html`<dl class="facts">${Object.entries(n.values ?? {}).map(([a, b]) => html`<dt>${a}</dt><dd>${b}</dd>`)}</dl>`);
    return;
  }
  const parts = n.parts.map((i) => DATA.parts[i]), total = parts.reduce((sum, p) => sum + (p.flops ?? 0), 0) || 1;
  show($("drawing"), parts.map((p) => {
    const output = p.output ? p.output.join("×") : `${p.numbers.classes} classes`;
    const share = 100 * (p.flops ?? 0) / total;
    return html`<div class="part"><div class="where"><b>${p.position}</b><span>${p.input.join("×")} → ${output}</span></div><div class="flow">${partFlow(p)}</div><div class="cost"><div class="bar"><i data-share="${share.toFixed(1)}"></i></div><span>${short(p.flops)} FLOPs, ${short(p.params)} params</span></div></div>`;
  }));
  for (const bar of $("drawing").querySelectorAll("[data-share]")) bar.style.width = `${bar.dataset.share}%`;
}

function classes(n) {
  $("classes").hidden = !n.class_iou;
  if (!n.class_iou) return;
  const shown = DATA.examples, named = Object.entries(n.class_iou), mark = html`<i class="swatch"></i>`;
  const share = (v) => (finite(v) ? `${(100 * v).toFixed(1)} %` : "no pixel"), tested = n.test?.class_iou;
  show($("class-table"), html`<thead><tr><th>class</th><th class="n">IoU</th><th></th>${tested ? html`<th class="n">confirmed</th>` : ""}</tr></thead><tbody>${named.map(([name, v]) => html`<tr><td>${mark}${name}</td><td class="n">${share(v)}</td><td><div class="bar"><i data-share="${(100 * (v ?? 0)).toFixed(1)}"></i></div></td>${tested ? html`<td class="n">${share(tested[name])}</td>` : ""}</tr>`)}</tbody>`);
  for (const bar of $("class-table").querySelectorAll("[data-share]")) bar.style.width = `${bar.dataset.share}%`;
  const laid = (image, mask, text) => html`<figure><div class="overlay"><img data-picture="${image}" alt="">${mask ? html`<img class="labels" data-picture="${mask}" alt="${text}">` : ""}</div><figcaption>${text}</figcaption></figure>`;
  show($("class-examples"), shown && n.answers ? shown.images.map((image, i) => html`<div class="triple">${laid(image, null, "validation image")}${laid(image, shown.truth[i], "its mask")}${laid(image, n.answers[i], "answered")}</div>`) : "");
  $("class-note").textContent = shown && !n.answers ? "Answers are kept here for networks of the front." : `Of all validation pixels taken together, the mean over seeds${tested ? " (confirmed: of the test images, after long trainings)" : ""}; answers are those of the training that the search scored.`;
  [...$("class-table").querySelectorAll(".swatch")].forEach((s, i) => { s.style.background = shown?.classes[i]?.colour ?? "none"; });
}

function curves(n) {
  const dashes = ["", "6 3", "2 3", "9 3 2 3"];
  const series = (key, color) => n.curves.map((c, i) => ({
    dots: c.points.filter((p) => finite(p[key])).map((p) => [p.epoch, p[key]]), color, dash: dashes[i % 4], marks: true,
  })).filter((s) => s.dots.length);
  lines("curve-loss", 230, "training loss per epoch", series("train_loss", "var(--blue)"), "epoch", "training loss", { zero: true });
  lines("curve-metric", 230, `${METRIC.name} per epoch`,
    [...series(`train_${METRIC.name}`, "var(--blue)"), ...series(METRIC.name, "var(--orange)")], "epoch",
    `${METRIC.name}: training blue, validation orange`, { yText: metricTick });
  const none = !n.curves.some((c) => c.points.length);
  $("curve-note").textContent = none ? "No training curve was recorded."
    : `${n.curves.length} training${n.curves.length > 1 ? "s" : ""} at the highest rung; augmented images, so training may look worse than validation.`;
}

function choose(id, scroll = false) {
  state.chosen = id;
  const n = byId.get(id);
  if (!n) return;
  $("choose").value = id;
  facts(n); drawing(n); classes(n); confusion(n); curves(n); drawFront(); frontTable();
  if (scroll) $("network").scrollIntoView();
}

function chooser() {
  const option = (n) => html`<option value="${n.id}">${metricText(n.metric)} · ${short(n.costs[DATA.cost])} · ${n.id}</option>`;
  const on = DATA.networks.filter((n) => n.front), off = DATA.networks.filter((n) => !n.front);
  const by = (a, b) => a.costs[DATA.cost] - b.costs[DATA.cost];
  show($("choose"), html`<optgroup label="front">${on.sort(by).map(option)}</optgroup><optgroup label="others">${off.sort(by).map(option)}</optgroup>`);
  $("choose").addEventListener("change", (event) => choose(event.target.value));
}
