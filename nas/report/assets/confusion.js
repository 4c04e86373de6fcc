// Which classes a network takes for each other: the matrix, or of many classes the pairs alone.

const className = (i) => DATA.class_names[i] ?? `class ${i}`;
const portion = (part, whole) => (whole ? `${(100 * part / whole).toFixed(1)} %` : "no image");

function confusionMatrix(matrix) {
  const rows = matrix.map((row, i) => {
    const all = row.reduce((a, b) => a + b, 0);
    const cells = row.map((v, j) => html`<td class="n" data-heat="${all ? (v / all).toFixed(3) : 0}" data-right="${i === j ? 1 : 0}">${v || "·"}</td>`);
    return html`<tr><th>${className(i)}</th>${cells}<td class="n">${portion(row[i], all)}</td></tr>`;
  });
  return html`<thead><tr><th>true class ↓ · answered →</th>${matrix.map((_, j) => html`<th class="n"><span class="down">${className(j)}</span></th>`)}<th class="n">right</th></tr></thead><tbody>${rows}</tbody>`;
}

function confusionPairs(pairs) {
  const rows = pairs.map(([a, b, count, all]) => html`<tr><td>${className(a)}</td><td>${className(b)}</td><td class="n">${count}</td><td class="n">${portion(count, all)}</td></tr>`);
  return html`<thead><tr><th>true class</th><th>answered</th><th class="n">images</th><th class="n">of the class</th></tr></thead><tbody>${rows}</tbody>`;
}

function confusion(n) {
  $("confusion").hidden = !n.confusion;
  if (!n.confusion) return;
  const { matrix, pairs, seed } = n.confusion, table = $("confusion-table");
  const whose = `Validation images, answered by the training of the search under seed ${seed}.`;
  table.className = matrix ? "matrix" : "";
  show(table, matrix ? confusionMatrix(matrix) : confusionPairs(pairs));
  for (const cell of table.querySelectorAll("[data-heat]")) {
    const share = +cell.dataset.heat, color = cell.dataset.right === "1" ? "--blue" : "--red";
    cell.style.background = `color-mix(in srgb, var(${color}) ${share && 10 + 55 * share}%, transparent)`; // one error is seen too
  }
  const most = pairs.slice(0, 3).map(([a, b, count, all]) => `${className(a)} as ${className(b)} (${count} of ${all})`);
  $("confusion-note").textContent = `${whose} ${!pairs.length ? "No image was answered wrongly." : matrix
    ? `A row is a true class, a column an answer; blue is right, red wrong, darker a larger share of the row. Most often taken for another: ${most.join(", ")}.`
    : `The ${pairs.length} most frequent errors of ${DATA.class_names.length} classes.`}`;
}
