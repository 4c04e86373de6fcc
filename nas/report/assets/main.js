// Put the page together, and again when its width changes.

function draw() {
  drawFront();
  growth();
  const n = byId.get(state.chosen);
  if (n) curves(n);
}

function start() {
  const on = DATA.networks.filter((n) => n.front).length;
  $("title").textContent = DATA.run;
  $("error-axis-name").textContent = METRIC.name;
  const limits = Object.entries(DATA.budget).map(([n, v]) => `${n} ≤ ${short(v)}`).join(", ");
  $("summary").textContent = `${on} network${on === 1 ? "" : "s"} on the front of ${DATA.evaluated} evaluated at the highest rung${limits ? `, within ${limits}` : ""}. ${DATA.facts.device ? `Device ${DATA.facts.device}.` : ""}`;
  show($("cost"), DATA.costs.map((c) => html`<option value="${c}" ${c === state.cost ? "selected" : ""}>${NAMES[c] ?? c}</option>`));
  $("cost").addEventListener("change", (event) => { state.cost = event.target.value; drawFront(); frontLegend(); frontTable(); });
  const helps = errorFloor(DATA.networks.map((n) => n.metric)) !== null;
  state.log = helps;
  $("error-axis").checked = helps;
  $("error-axis").disabled = !helps;
  $("error-axis").addEventListener("change", (event) => { state.log = event.target.checked; drawFront(); });
  if (DATA.networks.length) { chooser(); frontLegend(); frontTable(); listenFront(); }
  else for (const part of document.querySelectorAll("#front .controls, #front-legend, #front-note, #front .scroll")) part.hidden = true;
  moduleTables(); confirmation(); failures(); record();
  if (state.chosen) choose(state.chosen); else $("network").hidden = true;
  $("confirmation-body").addEventListener("click", (event) => {
    const id = event.target.closest("[data-id]")?.dataset.id;
    if (id) choose(id, true);
  });
  draw();
  let waiting = 0;
  window.addEventListener("resize", () => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(draw); });
}

start();
