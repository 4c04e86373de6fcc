// The record: failures, job, versions, device, sessions.

function failures() {
  const f = DATA.failures;
  if (!f.all) { show($("failures-body"), html`<p>No evaluation failed.</p>`); return; }
  const kinds = f.kinds.map(([name, count]) => html`<li>${count} × ${name}</li>`);
  const guilty = f.culprits.map((c) => html`<li>fails every time: ${c}</li>`);
  const rows = f.rows.map((r) => html`<tr><td class="n">${r.number}</td><td>${r.id}</td><td class="n">${r.rung}</td><td class="n">${r.seed}</td><td class="n">${r.attempt}</td><td class="wide">${r.reason ?? ""}</td></tr>`);
  show($("failures-body"), html`<p>${f.all} of ${DATA.counts.measurements} evaluations failed. A failure is a result: it is recorded, and never on the front.</p><ul>${kinds}${guilty}</ul><details><summary>each of them</summary><div class="scroll"><table><thead><tr><th class="n">task</th><th>id</th><th class="n">rung</th><th class="n">seed</th><th class="n">attempt</th><th>reason</th></tr></thead><tbody>${rows}</tbody></table></div></details>`);
}

function record() {
  const { counts, facts, sessions } = DATA;
  const when = (t) => (finite(t) ? new Date(1000 * t).toISOString().slice(0, 16).replace("T", " ") + " UTC" : "");
  const rows = [
    ["run", DATA.path], ...(facts.device ? [["device", facts.device]] : []), ["host", facts.host ?? ""],
    ...(facts.images ? [["images", `${facts.images}, fingerprint ${facts.data}`]] : []),
    ["space", `${counts.space} architectures`],
    ["evaluations", `${counts.measurements} of ${counts.architectures} architectures; good ones by rung: ${counts.rungs.map(([r, n]) => `${r}: ${n}`).join(", ") || "none"}`],
    ["time", `${short(counts.seconds)} s of evaluation, ${short(counts.cpu_seconds)} CPU-s, by ${facts.workers} worker${facts.workers === 1 ? "" : "s"}`],
    ["versions", Object.entries(facts.versions ?? {}).map(([n, v]) => `${n} ${v}`).join(", ")],
    ["sessions", sessions.map((s) => `${when(s.time)} on ${s.host ?? "?"}`).join("; ")],
    ...(DATA.latency ? [["latency", DATA.latency.text]] : []),
    ["page made", DATA.made],
  ];
  if (counts.left_out) rows.push(["left out", counts.left_out]);
  show($("record-body"), html`<dl class="facts">${rows.map(([a, b]) => html`<dt>${a}</dt><dd>${b}</dd>`)}</dl><details><summary>what was asked for</summary><pre>${DATA.job}</pre></details>`);
}
