// Targets by day: a grid of how each ended, and the line of what the last thirty were.
// Not here: which targets are shown (page.js), the numbers of a day (charts.js).

const MATRIX_ROWS = 60;
const SPARK_DAYS = 30;
const endings = {
  c: ["complete", ""], h: ["held", "?"], i: ["incomplete", "◐"], f: ["failed", "✕"], m: ["missing", "–"], ".": [null, ""],
};

// [target, why of each day] of the targets that were ever expected, those with most days that are not complete first.
function matrixRows(data, shown) {
  const reasons = new Map(data.coverage_reasons.map(([target, days, why]) =>
    [target, new Map(days.map((day, i) => [day, why[i]]))]));
  const troubles = (target) => [...data.coverage[target]].filter((letter) => !"c.".includes(letter)).length;
  return [...shown].filter((target) => /[^.]/.test(data.coverage[target]))
    .sort((a, b) => troubles(b) - troubles(a) || a - b)
    .map((target) => ({ target, letters: data.coverage[target], why: reasons.get(target) ?? new Map() }));
}

function drawMatrix(host, data, shown, onTarget) {
  const rows = matrixRows(data, shown);
  if (!rows.length) return host.replaceChildren();
  const head = element("tr", {}, element("td"), ...data.days.map((day, i) =>
    element("th", { scope: "col", title: day },
      (data.days.length - 1 - i) % 7 === 0 ? day.slice(5) : element("span", { class: "unseen" }, day))));
  const body = rows.slice(0, MATRIX_ROWS).map(({ target, letters, why }) => {
    const name = data.targets[target].label;
    return element("tr", {},
      element("th", { scope: "row" }, element("button", { type: "button", onclick: () => onTarget(target) }, name)),
      ...data.days.map((day, i) => {
        const [ending, sign] = endings[letters[i]];
        if (ending === null) return element("td");
        const values = { target: name, day, coverage: say(`coverage.${ending}`), reason: word("reason", why.get(i) ?? null) };
        return element("td", { class: ending, title: say(values.reason === null ? "matrix.cell" : "matrix.cell_why", values) }, sign);
      }));
  });
  const legend = Object.values(endings).filter(([ending]) => ending !== null).map(([ending, sign]) =>
    element("li", {}, element("span", { class: ending, "aria-hidden": "true" }, sign), ` ${say(`coverage.${ending}`)}`));
  const label = say("matrix.days", { first: data.days[0], last: data.days.at(-1) });
  host.replaceChildren(
    element("ul", { class: "legend" }, ...legend),
    element("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": label },
      element("table", { class: "matrix" }, element("thead", {}, head), element("tbody", {}, ...body))));
  if (rows.length > MATRIX_ROWS) {
    host.append(element("p", { class: "cover" }, say("matrix.more", { count: rows.length - MATRIX_ROWS })));
  }
}

// A small line of the last days; where a day is not known it has a gap.
function sparkline(values) {
  const [width, height, last] = [120, 26, values.slice(-SPARK_DAYS)];
  const most = Math.max(1, ...last.filter((value) => value !== null));
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [key, value] of Object.entries({ viewBox: `0 0 ${width} ${height}`, class: "spark", "aria-hidden": "true" })) {
    svg.setAttribute(key, value);
  }
  let path = "";
  last.forEach((value, i) => {
    if (value === null) return;
    const x = last.length === 1 ? width : (i * width) / (last.length - 1);
    const y = height - 2 - (value / most) * (height - 4);
    path += `${i > 0 && last[i - 1] !== null ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}${last[i - 1] == null && last[i + 1] == null ? "h1" : ""}`;
  });
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

// What a number was on each day, null where a shown target was not complete on it.
function byDay(data, shown, sums) {
  const totals = new Array(data.days.length).fill(0);
  for (const [target, days, counts] of sums) {
    if (shown.has(target)) days.forEach((day, i) => { totals[day] += counts[i]; });
  }
  return knownByDay(data, shown).map(({ complete, expected }, i) => (expected && complete === expected ? totals[i] : null));
}
