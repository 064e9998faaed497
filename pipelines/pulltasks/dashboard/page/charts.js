// Charts: the rows that a chart is drawn from, and what it looks like in Vega-Lite.
// Not here: which targets are shown (page.js). `shown` is the set of their positions.

const MANY_COLOURS = 8;
const NAMES_SHOWN = 3;

// -- rows ------------------------------------------------------------------------------------------------------------

// How many of the shown targets were expected and complete on each day.
function knownByDay(data, shown) {
  return data.days.map((day, i) => {
    const letters = [...shown].map((target) => data.coverage[target][i]).filter((letter) => letter !== ".");
    const missing = [...shown].filter((target) => !"c.".includes(data.coverage[target][i]));
    const names = missing.slice(0, NAMES_SHOWN).map((target) => data.targets[target].label);
    return {
      day,
      complete: letters.filter((letter) => letter === "c").length,
      expected: letters.length,
      ran: letters.some((letter) => letter !== "m"),
      missing: names.join(", ") + (missing.length > names.length ? " …" : ""),
    };
  });
}

// Tasks a day and value of `by`; a day on which no shown target is complete has no row.
function historyRows(data, shown, by) {
  const value = {
    status: (status) => status,
    source_type: (status, type) => type,
    region: (status, type, target) => data.targets[target].region,
    target: (status, type, target) => data.targets[target].label,
  }[by];
  const sums = new Map();
  const inAll = new Map();
  for (const [target, status, type, days, counts] of data.counts) {
    if (!shown.has(target)) continue;
    const name = value(status, type, target) || say("chart.empty");
    days.forEach((day, i) => {
      const at = sums.get(name) ?? sums.set(name, new Map()).get(name);
      at.set(day, (at.get(day) ?? 0) + counts[i]);
      inAll.set(name, (inAll.get(name) ?? 0) + counts[i]);
    });
  }
  const ranked = [...inAll.keys()].sort((a, b) => inAll.get(b) - inAll.get(a) || (a < b ? -1 : 1));
  const kept = ranked.length > MANY_COLOURS ? ranked.slice(0, MANY_COLOURS - 1) : ranked;
  const rows = [];
  const last = lastKnown(data, shown);
  knownByDay(data, shown).forEach(({ day, complete, expected, missing }, i) => {
    if (complete === 0) return;
    if (last[i]) rows.push({ day, value: say("chart.last_known"), tasks: last[i], complete, expected, missing, isLast: true });
    let others = 0;
    for (const name of ranked) {
      const tasks = sums.get(name).get(i) ?? 0;
      if (!kept.includes(name)) others += tasks;
      else rows.push({ day, value: name, tasks, complete, expected, missing });
    }
    if (kept.length < ranked.length) rows.push({ day, value: say("chart.other"), tasks: others, complete, expected, missing, isOther: true });
    if (ranked.length === 0) rows.push({ day, value: say("chart.empty"), tasks: 0, complete, expected, missing });
  });
  return rows;
}

// Tasks that the targets which are not known on a day had when they were last known.
function lastKnown(data, shown) {
  const counts = new Map([...shown].map((target) => [target, new Map()]));
  for (const [target, , , days, numbers] of data.counts) {
    days.forEach((day, i) => counts.get(target)?.set(day, (counts.get(target).get(day) ?? 0) + numbers[i]));
  }
  const before = new Map();
  return data.days.map((_, i) => {
    let tasks = 0;
    for (const target of shown) {
      const letter = data.coverage[target][i];
      if (letter === "c") before.set(target, counts.get(target).get(i) ?? 0);
      else if (letter !== ".") tasks += before.get(target) ?? 0;
    }
    return tasks;
  });
}

// Tasks scheduled in each hour of the coming days, in the page's time zone; none where nothing is known of them.
// An hour of UTC is called by the hour of the zone in which it begins; one that comes twice as clocks go back is one.
function loadRows(data, shown) {
  const known = [...shown].map((target) => data.targets[target]);
  if (!known.some((target) => target.is_expected && target.task_count !== null)) return [];
  const sums = new Array(data.load.hours).fill(0);
  for (const [target, hours, counts] of data.load.targets) {
    if (shown.has(target)) hours.forEach((hour, i) => { sums[hour] += counts[i]; });
  }
  const rows = new Map();
  sums.forEach((tasks, hour) => {
    const moment = time(data.load.begins_at + hour * 3600).slice(0, 13);
    rows.set(moment, Math.max(tasks, rows.get(moment) ?? 0));
  });
  return [...rows].map(([moment, tasks]) => ({ day: moment.slice(0, 10), hour: Number(moment.slice(11)), tasks }));
}

function coverageRows(data, shown) {
  return knownByDay(data, shown).map(({ day, complete, expected, ran }) => {
    const state = expected === 0 ? "not_expected"
      : complete === expected ? "all_known" : !ran ? "no_run" : complete ? "some_known" : "none_known";
    return { day, complete, expected, state };
  });
}

// -- looks -----------------------------------------------------------------------------------------------------------

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function look() {
  const [ink, faint] = [colour("ink"), colour("line")];
  const font = getComputedStyle(document.body).fontFamily;
  return {
    background: "transparent",
    font,
    view: { stroke: null },
    axis: {
      labelColor: ink, titleColor: ink, domainColor: faint, tickColor: faint, gridColor: faint, labelFontSize: 12,
      titleFontSize: 12, titleFontWeight: "normal",
    },
    legend: { labelColor: ink, titleColor: ink, orient: "bottom", labelFontSize: 12, titleFontSize: 12, columns: 3 },
    range: { category: Array.from({ length: MANY_COLOURS }, (_, i) => colour(`series-${i + 1}`)) },
  };
}

const schema = "https://vega.github.io/schema/vega-lite/v6.json";

function historySpec(rows, days, by) {
  const x = { field: "day", type: "ordinal", scale: { domain: days.map((day) => day.day) }, title: null,
    axis: { labelAngle: -45, labelOverlap: "greedy", ticks: false } };
  const unknown = days.filter((day) => day.complete === 0 && day.expected > 0);
  const other = rows.find((row) => row.isOther)?.value;
  const last = rows.filter((row) => row.isLast);
  const sums = new Map();
  for (const row of rows) if (!row.isLast) sums.set(row.day, (sums.get(row.day) ?? 0) + row.tasks);
  const known = rows.filter((row) => !row.isLast);
  const named = [...new Set(known.map((row) => row.value))].filter((value) => value !== other);
  const values = other === undefined ? named : [...named, other];
  return {
    $schema: schema, config: look(), width: "container", height: 260,
    layer: [
      {
        data: { values: known },
        mark: { type: "bar", cursor: "pointer" },
        encoding: {
          x,
          y: { field: "tasks", type: "quantitative", title: say("chart.tasks") },
          color: { field: "value", type: "nominal", title: null, sort: null, scale: { domain: values, range: values.map((value, i) =>
            (value === other ? colour("other") : colour(`series-${i + 1}`))) } },
          opacity: { condition: { test: "datum.complete < datum.expected", value: 0.45 }, value: 1 },
          tooltip: [
            { field: "day", title: say("chart.day") }, { field: "value", title: say(`chart.${by}`) },
            { field: "tasks", title: say("chart.tasks"), format: "," },
            { field: "complete", title: say("chart.known") }, { field: "expected", title: say("section.targets") },
            { field: "missing", title: say("chart.missing") },
          ],
        },
      },
      ...(last.length ? [{
        data: { values: last.map((row) => ({ ...row, from: sums.get(row.day) ?? 0, to: (sums.get(row.day) ?? 0) + row.tasks })) },
        mark: { type: "bar", fill: "transparent", stroke: colour("soft"), strokeDash: [3, 2], strokeWidth: 1 },
        encoding: {
          x, y: { field: "from", type: "quantitative" }, y2: { field: "to" },
          tooltip: [
            { field: "day", title: say("chart.day") }, { field: "tasks", title: say("chart.last_known"), format: "," },
            { field: "missing", title: say("chart.missing") },
          ],
        },
      }] : []),
      {
        data: { values: unknown },
        mark: { type: "text", text: "?", baseline: "bottom", fontSize: 16, fontWeight: "bold", color: colour("bad") },
        encoding: { x, y: { datum: 0 }, tooltip: [{ field: "day", title: say("chart.day") }, { field: "missing", title: say("chart.missing") }] },
      },
    ],
  };
}

function loadSpec(rows) {
  const most = Math.max(1, ...rows.map((row) => row.tasks));
  const encoding = {
    x: { field: "hour", type: "ordinal", title: say("chart.hour", { timezone: speech.timezone }), axis: { labelAngle: 0, labelOverlap: "greedy", ticks: false } },
    y: { field: "day", type: "ordinal", title: null, axis: { ticks: false } },
    tooltip: [
      { field: "day", title: say("chart.day") }, { field: "hour", title: say("chart.hour", { timezone: speech.timezone }) },
      { field: "tasks", title: say("chart.tasks"), format: "," },
    ],
  };
  return {
    $schema: schema, config: look(), width: "container", height: 22 * new Set(rows.map((row) => row.day)).size,
    data: { values: rows },
    layer: [
      {
        mark: { type: "rect", stroke: colour("card"), strokeWidth: 1, cursor: "pointer" },
        encoding: { ...encoding, color: {
          field: "tasks", type: "quantitative", title: say("chart.tasks"),
          scale: { range: [colour("heat-low"), colour("heat-high")], domain: [0, most] }, legend: { gradientLength: 160 },
        } },
      },
      {
        mark: { type: "text", fontSize: 10 },
        encoding: { ...encoding, text: { field: "tasks", format: "~s" },
          color: { condition: { test: `datum.tasks > ${most} / 2`, value: colour("card") }, value: colour("ink") } },
      },
    ],
  };
}

// Draws a chart into its place; what was there before is taken down first. `onMark` is told of a mark that is clicked.
async function drawChart(host, spec, label, onMark) {
  host.view?.finalize();
  host.setAttribute("role", "img");
  host.setAttribute("aria-label", label);
  const options = { ast: true, actions: false, renderer: "svg", defaultStyle: false, tooltip: { disableDefaultStyle: true } };
  host.view = await vegaEmbed(host, spec, options);
  host.view.view.addEventListener("click", (_, item) => item?.datum?.day && onMark(item.datum));
  host.querySelector("svg").setAttribute("aria-hidden", "true"); // the label says what it is, the table beside it the rest
}
