"use strict";
// How far the run is, every two seconds; the report again when something was measured.

const $ = (id) => document.getElementById(id);
const EVERY = 2000;
let version = null, loading = false, loadedAt = 0, took = 0;

function clock(seconds) {
  if (seconds >= 360000) return `${Math.round(seconds / 86400)} days`;
  const whole = Math.round(seconds), hours = Math.floor(whole / 3600), minutes = Math.floor((whole % 3600) / 60);
  const two = (n) => String(n).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

function stateText(s) {
  const parts = [s.trials ? `${s.tried} of ${s.trials} trials` : `${s.tried} trials`];
  if (s.best) parts.push(...Object.entries(s.best).map(([n, v]) => `best ${n} ${+v.toPrecision(4)}`));
  parts.push(`${s.front.length} on the front`);
  if (s.driver) parts.push(s.left === null ? "time left not known yet" : `${clock(s.left)} left`);
  else parts.push(s.trials && s.tried >= s.trials ? "done" : "no search is running");
  return parts.join(" · ");
}

function recentText(m) {
  const result = m.value ?? (m.reason ? `failed: ${m.reason}` : "ranked without a value");
  return `trial ${m.number + 1}, rung ${m.rung}: ${result} (${m.id}, ${m.seconds} s)`;
}

function tell(s) {
  $("state").textContent = stateText(s);
  document.title = `${s.tried}/${s.trials ?? "?"} ${s.name}`;
  $("progress").value = s.trials ? s.tried / s.trials : 0;
  const failed = Object.entries(s.reasons).map(([reason, count]) => `${count} ${reason}`).join(", ");
  $("failures").hidden = !failed;
  $("failures").textContent = failed ? `failed evaluations: ${failed}` : "";
  $("list").replaceChildren(...s.recent.map((m) => {
    const item = document.createElement("li");
    item.textContent = recentText(m);
    return item;
  }));
  $("stop").hidden = !s.can_stop;
  $("resume").hidden = !s.can_resume;
}

// A new report is loaded behind the old one and takes its place: where one has scrolled to, and
// what one has chosen, stay.
function reload() {
  const old = $("report"), fresh = document.createElement("iframe"), begun = Date.now();
  loading = true;
  fresh.title = "report";
  fresh.className = "coming";
  fresh.addEventListener("load", () => {
    keep(old, fresh);
    fresh.id = "report";
    fresh.className = "";
    old.remove();
    loading = false;
    loadedAt = Date.now();
    took = loadedAt - begun;
  }, { once: true });
  fresh.src = "report";
  old.after(fresh);
}

function keep(old, fresh) {
  const before = old.contentDocument, after = fresh.contentDocument;
  for (const id of ["cost", "choose"]) {
    const chosen = before?.getElementById(id), next = after?.getElementById(id);
    if (chosen && next && [...next.options].some((o) => o.value === chosen.value) && next.value !== chosen.value) {
      next.value = chosen.value;
      next.dispatchEvent(new fresh.contentWindow.Event("change"));
    }
  }
  for (const [i, box] of [...(before?.querySelectorAll("details") ?? [])].entries()) {
    const same = after?.querySelectorAll("details")[i];
    if (same) same.open = box.open;
  }
  fresh.contentWindow?.scrollTo({ top: old.contentWindow?.scrollY ?? 0, behavior: "instant" });
}

async function look() {
  try {
    const answer = await fetch("state");
    if (!answer.ok) throw new Error(await answer.text());
    const s = await answer.json();
    tell(s);
    if (version === null) { version = s.version; loadedAt = Date.now(); }
    const rested = Date.now() - loadedAt > Math.max(3000, 5 * took); // a large report costs time
    if (s.version !== version && !loading && rested) { version = s.version; reload(); }
  } catch (error) {
    $("state").textContent = `nas watch does not answer (${error.message}); the search itself is not affected`;
  }
  setTimeout(look, EVERY);
}

async function ask(what) {
  const answer = await fetch(what, { method: "POST" });
  $("told").hidden = answer.ok;
  $("told").textContent = answer.ok ? "" : await answer.text();
  $("stop").hidden = $("resume").hidden = true; // until the next look
}

$("stop").addEventListener("click", () => ask("stop"));
$("resume").addEventListener("click", () => ask("resume"));
look();
