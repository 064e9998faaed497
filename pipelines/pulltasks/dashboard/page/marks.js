// Marks: the bars of days, the line of a tile, the week of hours, the grid of targets and days.
// Not here: numbers (numbers.js). A mark that leads somewhere is a link, so that the browser does the rest.

const SVG = "http://www.w3.org/2000/svg";
const SPARK_DAYS = 30;
const MATRIX_ROWS = 60;
const endings = {
  c: ["complete", ""], h: ["held", "?"], i: ["incomplete", "◐"], f: ["failed", "✕"], m: ["missing", "–"], ".": [null, ""],
};
// Words of the service that have a colour of their own; every other word gets one by its letters.
const OWN_COLOURS = new Set(["enable", "wait", "suspend", "finish"]);
const COLOURS = 6;

function drawn(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// The class of each word's colour. Words that come first get a colour of their own, as long as there are colours.
function coloursOf(words) {
  const taken = new Set();
  return new Map([...words].map((word) => {
    if (word === "") return [word, "word-none"];
    if (OWN_COLOURS.has(word)) return [word, `word-${word}`];
    let place = [...word].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 997, 7) % COLOURS;
    for (let tries = 0; taken.has(place) && tries < COLOURS; tries += 1) place = (place + 1) % COLOURS;
    taken.add(place);
    return [word, `word-other-${place + 1}`];
  }));
}

function legendOf(entries) {
  return element("ul", { class: "legend" }, ...entries.map(([css, text, sign = ""]) =>
    element("li", {}, element("span", { class: `swatch ${css}`, "aria-hidden": "true" }, sign), ` ${text}`)));
}

const BARS = { height: 300, digit: 8, bottom: 22, top: 16, label: 48 };

// A round step, of which at most five make the largest value.
function stepOf(most) {
  const rough = most / 5;
  const tens = 10 ** Math.floor(Math.log10(Math.max(rough, 1)));
  return [1, 2, 5, 10].map((times) => times * tens).find((step) => step >= rough);
}

// `rows` are those of historyRows; `last` the tasks per day that are only known from before.
function drawBars(host, { rows, last, days, colours, labelOf, linkOf }) {
  const { height, digit, bottom, top, label } = BARS;
  const width = Math.max(host.clientWidth, 280);
  const known = new Map(days.map(({ day }) => [day, rows.filter((row) => row.day === day)]));
  const sumOf = (day) => known.get(day).reduce((sum, row) => sum + row.tasks, 0);
  const most = Math.max(1, ...days.map(({ day }, i) => sumOf(day) + last[i]));
  const step = stepOf(most);
  const ticks = Array.from({ length: Math.ceil(most / step) + 1 }, (_, i) => i * step);
  const left = 12 + digit * number(ticks.at(-1)).length;
  const y = (tasks) => height - bottom - (tasks / ticks.at(-1)) * (height - bottom - top);
  const band = (width - left) / days.length;
  const bar = Math.min(band * 0.72, 56);
  const every = Math.ceil(label / band);
  const rect = (css, x, from, tasks) => drawn("rect", { class: css, x: x.toFixed(1), width: bar.toFixed(1), rx: 1,
    y: y(from + tasks).toFixed(1), height: Math.max(0, y(from) - y(from + tasks) - 0.7).toFixed(1) });
  const marks = days.map(({ day, complete, expected, missing }, i) => {
    const x = left + i * band + (band - bar) / 2;
    let from = 0;
    const of = say("chart.of_day", { known: complete, count: expected, day });
    const parts = known.get(day).map((row) => {
      const name = labelOf(row);
      const title = drawn("title", {}, `${name} · ${say("unit.tasks", { count: number(row.tasks) })} · ${of}`);
      const mark = rect(row.isOther ? "word-rest" : colours.get(row.value), x, from, row.tasks);
      from += row.tasks;
      const link = linkOf(row);
      return link ? drawn("a", { href: link, tabindex: -1, "data-day": day }, mark, title) : drawn("g", { "data-day": day }, mark, title);
    });
    const why = drawn("title", {}, `${say("chart.last_known")} · ${say("unit.tasks", { count: number(last[i]) })} · ${of} · ${missing}`);
    if (last[i]) parts.push(drawn("g", { class: "last", "data-day": day }, rect("hatched", x, from, last[i]), why));
    if (!complete && expected) parts.push(drawn("text", { class: "question", x: x + bar / 2, y: y(last[i]) - 3 }, "?"));
    if ((days.length - 1 - i) % every === 0) parts.push(drawn("text", { class: "day", x: Math.min(x + bar / 2, width - 18), y: height - 5 }, day.slice(5)));
    return drawn("g", {}, ...parts);
  });
  const grid = ticks.map((tick) => drawn("g", {},
    drawn("line", { x1: left, x2: width, y1: y(tick), y2: y(tick) }),
    drawn("text", { class: "tick", x: left - 6, y: y(tick) + 4 }, number(tick))));
  const hatch = drawn("pattern", { id: "hatch", width: 6, height: 6, patternTransform: "rotate(45)", patternUnits: "userSpaceOnUse" },
    drawn("rect", { width: 2, height: 6 }));
  host.replaceChildren(drawn("svg", { viewBox: `0 0 ${width} ${height}`, class: "bars", "aria-hidden": "true" },
    drawn("defs", {}, hatch), ...grid, ...marks));
}

// The last days, from the smallest to the largest; where a day is not known it has a gap.
function sparkline(values) {
  const [width, height, last] = [200, 26, values.slice(-SPARK_DAYS)];
  const known = last.filter((value) => value !== null);
  const [least, most] = [Math.min(...known), Math.max(...known)];
  const svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", class: "spark", "aria-hidden": "true" });
  const at = (i) => (last.length === 1 ? width : (i * width) / (last.length - 1)).toFixed(1);
  const y = (value) => (height - 3 - (most === least ? 0.5 : (value - least) / (most - least)) * (height - 6)).toFixed(1);
  const parts = [];
  last.forEach((value, i) => {
    if (value === null) return;
    if (i === 0 || last[i - 1] === null) parts.push([]);
    parts.at(-1).push([at(i), y(value)]);
  });
  const path = (points) => points.map((point) => point.join(" ")).join("L");
  svg.append(
    drawn("path", { class: "area", d: parts.map((part) => `M${part[0][0]} ${height}L${path(part)}L${part.at(-1)[0]} ${height}Z`).join("") }),
    drawn("path", { class: "line", d: parts.map((part) => `M${path(part)}${part.length === 1 ? "h1" : ""}`).join("") }));
  return svg;
}

// Hours as rows, days as columns, as in a calendar; coloured from the smallest number to the largest.
function drawWeek(host, rows, now, linkOf) {
  const days = [...new Set(rows.map((row) => row.day))].sort();
  const at = new Map(rows.map((row) => [`${row.day} ${row.hour}`, row]));
  const [least, most] = [Math.min(...rows.map((row) => row.tasks)), Math.max(...rows.map((row) => row.tasks))];
  const minutes = time(rows[0].at).slice(13); // of a zone with half hours
  const cell = (day, hour) => {
    const row = at.get(`${day} ${hour}`);
    if (!row) return element("td");
    const isNow = row.at <= now && now < row.at + 3600;
    const name = say("week.cell", { hour: time(row.at), count: number(row.tasks) });
    const made = element("td", { class: isNow ? "now" : null }, element("a", { href: linkOf(row), title: name, "aria-label": name, tabindex: -1 }, number(row.tasks)));
    made.style.setProperty("--share", `${most === least ? 0 : Math.round(((row.tasks - least) / (most - least)) * 100)}%`);
    return made;
  };
  const hours = Array.from({ length: 24 }, (_, hour) => element("tr", {},
    element("th", { scope: "row" }, `${String(hour).padStart(2, "0")}${minutes}`), ...days.map((day) => cell(day, hour))));
  const legend = element("p", { class: "hint scale" }, number(least), element("span", { "aria-hidden": "true" }), number(most));
  host.replaceChildren(element("table", { class: "week" },
    element("thead", {}, element("tr", {}, element("td"), ...days.map((day) => element("th", { scope: "col" }, day.slice(5))))),
    element("tbody", {}, ...hours)), legend);
  // one stop for the keyboard; arrows move between the cells
  moveByArrows(host.querySelector("tbody"));
}

function moveByArrows(body) {
  const first = body.querySelector(".now a") ?? body.querySelector("a");
  if (first) first.tabIndex = 0;
  body.addEventListener("keydown", (event) => {
    const [down, right] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key] ?? [];
    if (down === undefined) return;
    const cell = event.target.closest("td");
    body.rows[cell.parentNode.sectionRowIndex + down]?.cells[cell.cellIndex + right]?.querySelector("a")?.focus();
    event.preventDefault();
  });
}

// [target, letters, why of each day] of the targets that were ever expected, those with most days not complete first.
function matrixRows(data, shown) {
  const reasons = new Map(data.coverage_reasons.map(([target, days, why]) =>
    [target, new Map(days.map((day, i) => [day, why[i]]))]));
  const troubles = (target) => [...data.coverage[target]].filter((letter) => !"c.".includes(letter)).length;
  return [...shown].filter((target) => /[^.]/.test(data.coverage[target]))
    .sort((a, b) => troubles(b) - troubles(a) || a - b)
    .map((target) => ({ target, letters: data.coverage[target], why: reasons.get(target) ?? new Map() }));
}

function drawMatrix(host, data, shown) {
  const rows = matrixRows(data, shown);
  if (!rows.length) return host.replaceChildren();
  const every = (document.getElementById("main").clientWidth * 0.8) / data.days.length < BARS.label ? 7 : 1;
  const head = element("tr", {}, element("td"), ...data.days.map((day, i) =>
    element("th", { scope: "col", title: day },
      (data.days.length - 1 - i) % every === 0 ? element("span", { class: "week-day" }, day.slice(5)) : element("span", { class: "unseen" }, day))));
  const body = rows.slice(0, MATRIX_ROWS).map(({ target, letters, why }) => {
    const name = data.targets[target].label;
    return element("tr", {},
      element("th", { scope: "row" }, targetLink(data, target)),
      ...data.days.map((day, i) => {
        const [ending, sign] = endings[letters[i]];
        if (ending === null) return element("td");
        const values = { target: name, day, coverage: say(`coverage.${ending}`), reason: word("reason", why.get(i) ?? null) };
        return element("td", { class: ending, title: say(values.reason === null ? "matrix.cell" : "matrix.cell_why", values) }, sign);
      }));
  });
  const legend = Object.values(endings).filter(([ending]) => ending !== null).map(([ending, sign]) => [ending, say(`coverage.${ending}`), sign]);
  host.replaceChildren(legendOf(legend),
    element("table", { class: "matrix", "aria-label": say("matrix.days", { first: data.days[0], last: data.days.at(-1) }) },
      element("thead", {}, head), element("tbody", {}, ...body)));
  if (rows.length > MATRIX_ROWS) {
    host.append(element("p", { class: "hint" }, say("matrix.more", { count: rows.length - MATRIX_ROWS })));
  }
}
