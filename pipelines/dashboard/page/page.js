// The page: what the reader asks for, and every part drawn from it.
// Not here: one table (table.js), one chart (charts.js), words (words.js).

const asked = { project: "", region: "", name: "", by: "status", lang: "", theme: "" };
const tables = {};
let data;

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

function targetName(contents, position) {
  const target = contents.targets[position];
  return target ? target.target_name || `${target.project_id}/${target.region}` : "";
}

// -- what is asked: kept in the address, so that a view can be passed on ------------------------------------------------

function readAddress() {
  for (const [key, value] of new URLSearchParams(location.hash.slice(1))) {
    if (key in asked) asked[key] = value;
  }
}

function writeAddress() {
  const text = new URLSearchParams(Object.entries(asked).filter(([key, value]) => value && !(key === "by" && value === "status")));
  history.replaceState(null, "", text.size ? `#${text}` : location.pathname + location.search);
}

function shownTargets() {
  const name = asked.name.toLowerCase();
  return new Set(data.targets.flatMap((target, i) =>
    (!asked.project || target.project_id === asked.project) && (!asked.region || target.region === asked.region)
    && (!name || targetName(data, i).toLowerCase().includes(name)) ? [i] : []));
}

// -- the truth about the data ------------------------------------------------------------------------------------------

function drawAge(now) {
  const built = now - data.build.built_at;
  const newest = data.newest_complete && now - data.newest_complete.finished_at;
  const sentences = [
    say("banner.built", { age: age(built), time: time(data.build.built_at) }),
    data.newest_complete ? say("banner.newest", { day: data.newest_complete.day, age: age(newest) }) : say("banner.never"),
  ];
  document.getElementById("age").textContent = sentences.join(" ");
  const isOld = built > data.max_age_seconds || (newest !== null && newest > data.max_age_seconds);
  const old = document.getElementById("old");
  old.hidden = !isOld;
  if (isOld) {
    document.getElementById("truth").classList.replace("good", "bad");
    old.textContent = newest === null ? say("banner.old_never", { age: age(built) }) : say("banner.old", { age: age(newest) });
  }
}

// How much of what the filter shows is known: targets that are expected, not complete, never complete.
function knowledge(shown) {
  const expected = [...shown].map((i) => data.targets[i]).filter((target) => target.is_expected);
  return {
    count: expected.length,
    missing: expected.filter((target) => target.coverage !== "complete").length,
    never: expected.filter((target) => target.last_complete_date === null).length,
  };
}

function drawTiles(shown) {
  const known = knowledge(shown);
  const isUnknown = known.count === known.never;
  const tally = (name) => data.tallies[name].reduce((sum, [one, other, count]) =>
    sum + (shown.has(one) || shown.has(other) ? count : 0), 0);
  const tiles = [
    ["tasks", [...shown].reduce((sum, i) => sum + (data.targets[i].task_count ?? 0), 0)],
    ...["changes", "conflicts", "past_end", "ends_soon", "no_backup"].map((name) => [name, tally(name)]),
  ];
  document.getElementById("tiles").replaceChildren(...tiles.map(([name, count]) => {
    const isChange = name === "changes";
    const noneKnown = isUnknown || (isChange && known.missing === known.count);
    const value = noneKnown ? say("tile.unknown") : number(count);
    const notes = [];
    if (isChange && known.missing) notes.push(say("tile.partly_changes", known));
    else if (known.missing > known.never) notes.push(say("tile.partly", { ...known, missing: known.missing - known.never }));
    if (known.never && !isChange) notes.push(say("tile.never", { count: known.never }));
    if (!notes.length) notes.push(say("tile.known", known));
    return element("li", { class: `card${known.missing ? " partly" : ""}`, "data-tile": name },
      element("span", { class: "label" }, say(`tile.${name}`)),
      element("strong", {}, value),
      element("span", { class: "hint" }, notes.join(" · ")));
  }));
}

// -- tables ------------------------------------------------------------------------------------------------------------

function rowsOf(name, shown) {
  const { columns, values } = data.tables[name];
  const targets = columns.flatMap((column, i) => (column.kind === "target" ? [i] : []));
  return values[0].map((_, row) => values.map((column) => column[row]))
    .filter((row) => !targets.length || targets.some((i) => shown.has(row[i])));
}

function column({ name, kind, description }) {
  return { name, kind, description, label: () => say(`column.${name}`) };
}

function makeTables() {
  kinds.target = { show: (value) => (value === null ? "" : targetName(data, value)) };
  for (const [name, { columns }] of Object.entries(data.tables)) {
    tables[name] = new DataTable(document.querySelector(`[data-table="${name}"]`), name, columns.map(column));
  }
  tables.targets = new DataTable(document.querySelector('[data-table="targets"]'), "targets", [
    ["target", "target"], ["project_id", "id"], ["region", "text"], ["coverage", "coverage"], ["verdict_reason", "text"],
    ["task_count", "number"], ["oldest_state_date", "day"], ["last_complete_date", "day"], ["error_message", "text"],
  ].map(([name, kind]) => column({ name, kind })));
}

function drawTables(shown) {
  const known = knowledge(shown);
  for (const [name, table] of Object.entries(tables)) {
    if (name === "targets") continue;
    const { values, total } = data.tables[name];
    const rows = rowsOf(name, shown);
    const label = say(`section.${name}`);
    table.show(rows, label);
    const notes = [];
    if (!["gaps", "surprises", "sources", "receivers"].includes(name)) notes.push(coverNote(name, known, rows.length));
    else if (!rows.length) notes.push(say(known.missing ? "covers.none_known" : "covers.none_found"));
    if (values[0].length < total) {
      notes.push(say("covers.cut", { rows: number(values[0].length), total: number(total), query: cutQuery[name] }));
    }
    note(table.host, notes.join(" "));
  }
  const targets = [...shown].filter((i) => data.targets[i].is_expected);
  tables.targets.show(targets.map((i) => {
    const target = data.targets[i];
    return [i, target.project_id, target.region, target.coverage, target.verdict_reason, target.task_count,
      target.oldest_state_date, target.last_complete_date, target.error_message];
  }), say("section.targets"));
}

const cutQuery = {
  changes: "from fct_pull_task_changes", conflicts: "from rpt_destination_conflicts", expiring: "from rpt_expiring_tasks",
  no_backup: "from rpt_tasks_without_backup", sources: "from rpt_source_reuse", receivers: "from rpt_callback_receivers",
  gaps: "from rpt_coverage_gaps", surprises: "from rpt_data_quality",
};

function coverNote(name, known, rows) {
  const values = { ...known, day: data.build.through_date };
  if (known.count && known.never === known.count) return say("covers.not_known");
  const isChange = name === "changes";
  const none = rows ? "" : `${say(known.missing ? "covers.none_known" : "covers.none_found")} `;
  return none + say(known.missing ? (isChange ? "covers.some_changes" : "covers.some") : "covers.all", values);
}

function note(host, text) {
  const place = host.previousElementSibling.matches(".cover") ? host.previousElementSibling : element("p", { class: "cover" });
  place.textContent = text;
  host.before(place);
}

// -- charts ------------------------------------------------------------------------------------------------------------

function charts(shown) {
  const days = knownByDay(data, shown);
  const history = historyRows(data, shown, asked.by);
  const load = loadRows(data, shown);
  const coverage = coverageRows(data, shown);
  return {
    history: {
      rows: history, spec: () => historySpec(history, days),
      columns: [["day", "day"], ["value", "text"], ["tasks", "number"], ["complete", "number"], ["expected", "number"]],
    },
    load: { rows: load, spec: () => loadSpec(load), columns: [["day", "day"], ["hour", "number"], ["tasks", "number"]] },
    coverage: {
      rows: coverage.map((row) => ({ ...row, state: say(`chart.${row.state}`) })), spec: () => coverageSpec(coverage),
      columns: [["day", "day"], ["state", "text"], ["complete", "number"], ["expected", "number"]],
    },
  };
}

const chartLabels = {
  day: "chart.day", value: "chart.by", tasks: "chart.tasks", complete: "chart.known", expected: "section.targets",
  hour: "chart.hour", state: "section.coverage",
};

async function drawCharts(shown) {
  for (const [name, { rows, spec, columns }] of Object.entries(charts(shown))) {
    const host = document.querySelector(`[data-chart="${name}"]`);
    const label = say(`section.${name}`);
    const details = document.querySelector(`[data-numbers="${name}"]`);
    details.hidden = rows.length === 0;
    if (rows.length === 0) {
      host.view?.finalize();
      host.view = null;
      host.replaceChildren(element("p", { class: "cover" }, say("covers.not_known")));
      continue;
    }
    if (name === "load") note(host, coverNote(name, knowledge(shown), rows.length));
    await drawChart(host, spec(), label);
    details.table ??= new DataTable(details.querySelector(".table"), name, columns.map(([key, kind]) =>
      ({ name: key, kind, label: () => say(chartLabels[key]) })));
    details.table.show(rows.map((row) => columns.map(([key]) => row[key])), label);
  }
}

// -- controls ----------------------------------------------------------------------------------------------------------

function fill(select, values) {
  select.replaceChildren(element("option", { value: "" }), ...values.map((value) => element("option", { value }, value)));
}

function makeControls() {
  const form = document.getElementById("filter");
  fill(form.project, [...new Set(data.targets.map((target) => target.project_id))].sort());
  fill(form.region, [...new Set(data.targets.map((target) => target.region))].sort());
  form.addEventListener("input", () => {
    for (const key of ["project", "region", "name"]) asked[key] = form[key].value;
    draw();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => {
    Object.assign(asked, { project: "", region: "", name: "" });
    draw();
  });
  document.getElementById("by").append(...["status", "source_type", "region", "target"].map((by) =>
    element("label", {}, element("input", { type: "radio", name: "by", value: by, checked: by === asked.by,
      onchange: () => { asked.by = by; draw(); } }), element("span", { "data-say": `chart.${by}` }))));
  document.getElementById("language").addEventListener("click", () => {
    asked.lang = speech.language === "en" ? "zh" : "en";
    draw();
  });
  document.getElementById("theme").addEventListener("click", () => {
    asked.theme = isDark() ? "light" : "dark";
    draw();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}

function isDark() {
  return asked.theme ? asked.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function drawControls(shown) {
  const form = document.getElementById("filter");
  for (const key of ["project", "region", "name"]) if (form[key].value !== asked[key]) form[key].value = asked[key];
  for (const select of [form.project, form.region]) select.options[0].textContent = say("filter.all");
  form.setAttribute("aria-label", say("filter.heading"));
  form.shown.textContent = shown.size
    ? say("filter.shown", { count: number(shown.size), total: number(data.targets.length) })
    : say("filter.none");
  const language = document.getElementById("language");
  language.textContent = say("page.language");
  language.setAttribute("aria-label", say("page.language_label"));
}

// -- all of it -----------------------------------------------------------------------------------------------------------

let drawing = Promise.resolve();

function draw() {
  drawing = drawing.then(drawNow).catch(broken);
}

async function drawNow() {
  speech.language = asked.lang || (navigator.language.startsWith("zh") ? "zh" : "en");
  document.documentElement.lang = speech.language === "zh" ? "zh-Hans" : "en";
  document.documentElement.dataset.theme = isDark() ? "dark" : "light";
  writeAddress();
  const shown = shownTargets();
  sayAll(document);
  drawAge(Date.now() / 1000);
  drawControls(shown);
  drawTiles(shown);
  drawTables(shown);
  document.getElementById("footer").textContent = say("page.footer", { ...data.build, timezone: data.timezone });
  await drawCharts(shown);
  document.documentElement.dataset.drawn = String(Number(document.documentElement.dataset.drawn ?? 0) + 1);
}

function broken(error) {
  const place = document.getElementById("broken");
  place.hidden = false;
  place.textContent = say("page.broken", { error: error.message });
  throw error;
}

async function begin() {
  data = await unpack(document.getElementById("contents").textContent);
  speech.words = data.words;
  speech.timezone = data.timezone;
  readAddress();
  document.getElementById("needs-script").hidden = false;
  document.querySelector(".controls").hidden = false;
  makeControls();
  makeTables();
  draw();
}

begin().catch(broken);
