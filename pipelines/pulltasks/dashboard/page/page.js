// The page: what the reader asks for, and every part drawn from it.
// Not here: one table (table.js), one chart (charts.js), words (words.js).

const usual = { part: "", project: "", region: "", name: "", find: "", task: "", target: "", only: [], hour: null, by: "status", zone: "", lang: "", theme: "" };
const asked = { ...usual };
const tables = {};
let data;

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

// -- what is asked: kept in the address, so that a view can be passed on ------------------------------------------------

const choices = { by: ["status", "source_type", "region", "target"], lang: ["en", "zh"], theme: ["light", "dark"] };

function readAddress() {
  Object.assign(asked, usual, { lang: asked.lang, theme: asked.theme });
  for (const [key, value] of new URLSearchParams(location.hash.slice(1))) {
    if (!Object.hasOwn(asked, key) || !(choices[key]?.includes(value) ?? true)) continue;
    if (key === "only") asked.only = value.split(",").filter((name) => ONLY.includes(name));
    else if (key === "hour") asked.hour = /^\d+$/.test(value) && Number(value) < data.tonight.hours ? Number(value) : null;
    else asked[key] = value;
  }
}

function address() {
  const said = Object.entries(asked).filter(([key, value]) => String(value ?? "") && String(value) !== String(usual[key] ?? ""));
  const text = new URLSearchParams(said.map(([key, value]) => [key, String(value)]));
  return text.size ? `#${text}` : location.pathname + location.search;
}

// Goes to a part of the page, or asks for something else there; the way back leads to what was asked before.
function lead(changes) {
  Object.assign(asked, changes);
  history.pushState(null, "", address());
  draw({ moves: true });
}

function shownTargets() {
  const name = asked.name.toLowerCase();
  return new Set(data.targets.flatMap((target, i) =>
    (!asked.project || target.project_id === asked.project) && (!asked.region || target.region === asked.region)
    && (!name || target.label.toLowerCase().includes(name)) ? [i] : []));
}

// -- the truth about the data ------------------------------------------------------------------------------------------

// What lies farther after now was written by a wrong clock, or is read by one: it is never fresh.
const CLOCK_TOLERANCE_SECONDS = 120;

function drawAge(now) {
  const built = now - data.build.built_at;
  const newest = data.newest_complete && now - data.newest_complete.finished_at;
  const captured = data.captured_at === null ? null : now - data.captured_at;
  // where a clock is wrong, no age is known
  const isAhead = Math.min(built, newest ?? built, captured ?? built) < -CLOCK_TOLERANCE_SECONDS;
  document.getElementById("age").textContent = isAhead ? "" : sentences([
    say("banner.built", { age: age(built), time: time(data.build.built_at), timezone: speech.timezone }),
    data.newest_complete ? say("banner.newest", { day: data.newest_complete.day, age: age(newest) }) : say("banner.never"),
  ]);
  document.getElementById("line").textContent = captured === null || isAhead
    ? say("page.about") : say("page.line", { ...dayCounts(), age: age(captured) });
  const isOld = isAhead || captured === null || captured > data.max_age_seconds;
  const expected = data.targets.filter((target) => target.is_expected);
  const never = expected.filter((target) => target.last_complete_at === null);
  const late = expected.filter((target) =>
    target.last_complete_at !== null && now - target.last_complete_at > data.max_target_age_seconds);
  const isBeyond = never.length + late.length > 0;
  const old = document.getElementById("old");
  old.hidden = !isOld;
  if (isOld) old.textContent = isAhead ? say("banner.ahead") : captured === null ? say("banner.old_never", { age: age(built) }) : say("banner.old", { age: age(captured) });
  const named = document.getElementById("beyond");
  named.hidden = isOld || !isBeyond;
  const words = (key, of) => of.length && say(key, { part: of.length, count: expected.length,
    limit: age(data.max_target_age_seconds), names: listed(of.slice(0, 8).map((target) => target.label)) });
  named.textContent = sentences([words("banner.never_complete", never), words("banner.beyond", late)]);
  if (isOld || isBeyond) document.getElementById("truth").className = "card bad";
}

function dayCounts() {
  const all = knowledge(data.targets.keys());
  return { day: data.build.through_date, complete: all.count - all.missing, count: all.count };
}

// How much of what the filter shows is known: targets that are expected, not complete, never complete, without known
// changes.
function knowledge(shown) {
  const expected = [...shown].map((i) => data.targets[i]).filter((target) => target.is_expected);
  return {
    count: expected.length,
    missing: expected.filter((target) => target.coverage !== "complete").length,
    never: expected.filter((target) => target.last_complete_date === null).length,
    unchanged: expected.filter((target) => !target.has_known_changes).length,
  };
}

function drawTiles(shown) {
  const known = knowledge(shown);
  const isUnknown = known.count === known.never;
  const tally = (name) => data.tallies[name].reduce((sum, [targets, count]) =>
    sum + (targets.some((target) => shown.has(target)) ? count : 0), 0);
  const tiles = [
    ["tasks", [...shown].reduce((sum, i) => sum + (data.targets[i].task_count ?? 0), 0)],
    ...["changes", "conflicts", "past_end", "ends_soon", "no_backup"].map((name) => [name, tally(name)]),
  ];
  document.getElementById("tiles").replaceChildren(...tiles.map(([name, count]) => {
    const isChange = name === "changes";
    const noneKnown = isUnknown || (isChange && known.unchanged === known.count);
    const value = noneKnown ? say("tile.unknown") : number(count);
    const notes = [];
    if (!known.count) notes.push(say("tile.none_shown"));
    else if (isChange && known.unchanged) notes.push(say("tile.partly_changes", known));
    else if (!isChange && known.missing > known.never) notes.push(say("tile.partly", { ...known, missing: known.missing - known.never }));
    if (known.never && !isChange) notes.push(say("tile.never", { count: known.never }));
    if (!notes.length) notes.push(say("tile.known", known));
    const days = { tasks: countsByDay, changes: changesByDay }[name]?.(shown);
    const history = days ?? BEFORE[name]?.(shown, count);
    if (history && !noneKnown) notes.push(...comparisons(history));
    const link = element("a", { href: "#", "data-go": JSON.stringify(places[name]) },
      element("span", { class: "label" }, say(`tile.${name}`)),
      element("strong", {}, value),
      ...(days ? [sparkline(days)] : []),
      element("span", { class: "hint" }, notes.join(" · ")));
    return element("li", { class: `card${(isChange ? known.unchanged : known.missing) ? " partly" : ""}`, "data-tile": name }, link);
  }));
}

// Where the list behind a number stands, and what is searched for there.
const places = {
  tasks: { part: "tasks", find: "tasks" },
  changes: { part: "changes", find: "" },
  conflicts: { part: "conflicts", find: "" },
  past_end: { part: "tasks", find: "expiring?ends=past_end" },
  ends_soon: { part: "tasks", find: "expiring?ends=within_24_hours" },
  no_backup: { part: "sources", find: "" },
};

function countsByDay(shown) {
  return byDay(data, shown, data.counts.map(([target, , , days, counts]) => [target, days, counts]));
}

function changesByDay(shown) {
  return byDay(data, shown, data.changed);
}

// Numbers that are known of today, the day before and the week before only: null on every other day.
const BEFORE = Object.fromEntries(["past_end", "ends_soon", "no_backup"].map((name, i) => [name, (shown, today) =>
  byDay(data, shown, data.before.map(([day, target, ...counts]) => [target, [day], [counts[i]]])).map((value, day, all) =>
    (day === all.length - 1 ? value === null ? null : today : [all.length - 2, all.length - 8].includes(day) ? value : null))]));

function comparisons(days) {
  const today = days.at(-1);
  const found = [["tile.day_before", 1], ["tile.week_before", 7]].flatMap(([key, ago]) => {
    const before = days[days.length - 1 - ago] ?? null;
    if (today === null || before === null) return [];
    const change = today - before;
    return [say(key, { change: `${change > 0 ? "+" : change < 0 ? "−" : "±"}${number(Math.abs(change))}` })];
  });
  return found.length || days.length < 2 ? found : [say("tile.not_compared")];
}

// -- tables ------------------------------------------------------------------------------------------------------------

function rowsOf(name, shown) {
  const { columns, values } = data.tables[name];
  const targets = columns.flatMap((column, i) => (["target", "targets"].includes(column.kind) ? [i] : []));
  return values[0].map((_, row) => values.map((column) => column[row]))
    .filter((row) => !targets.length || targets.some((i) => [row[i]].flat().some((target) => shown.has(target))));
}

function column({ name, kind, description, isUnseen = false }) {
  return { name, kind, description, isUnseen, label: () => say(`column.${name}`, { timezone: speech.timezone }) };
}

function makeTables() {
  kinds.targets = { show: (value) => (value ?? []).map((target) => data.targets[target].label).join(", ") };
  kinds.target = {
    show: (value) => (value === null ? "" : data.targets[value].label),
    node: (value) => (value === null ? document.createTextNode("") : lifeLink({ target: targetKey(data.targets[value]) }, data.targets[value].label)),
  };
  kinds.id.node = (value, row, columns) => idNode(value, { link: lifeOf(value, row, columns) });
  kinds.ids.node = (values, row, columns) => listNode(values, (value) => idNode(value, { link: lifeOf(value, row, columns) }));
  const made = (name, columns, query = null) => {
    const onAsk = (chosen) => {
      const text = new URLSearchParams(chosen).toString();
      asked.find = found = text && `${name}?${text}`;
      history.replaceState(null, "", address());
    };
    tables[name] = new DataTable(document.querySelector(`[data-table="${name}"]`), name, columns.map(column), { query, onAsk });
  };
  for (const [name, { columns, query }] of Object.entries(data.tables)) made(name, columns, query);
  made("tasks", TASK_COLUMNS.map(([name, kind, unseen]) => ({ name, kind, isUnseen: unseen !== undefined })), "from dim_pull_tasks where is_current");
  tables.targets = new DataTable(document.querySelector('[data-table="targets"]'), "targets", [
    ["target", "target"], ["coverage", "coverage"], ["verdict_reason", "reason"], ["error_message", "address"],
    ["task_count", "number"], ["oldest_state_date", "day"], ["last_complete_date", "day"], ["region", "text"],
    ["project_id", "id"],
  ].map(([name, kind]) => column({ name, kind })));
}

const TASK_COLUMNS = [
  ["destination", "address"], ["target", "target"], ["status", "status"], ["start_time", "time"], ["end_time", "time"],
  ["source_type", "text"], ["task_id", "id"], ["state_date", "day"], ["app_name", "text", "unseen"], ["host", "text", "unseen"],
];

// A link to the life of the task that an id in a row stands for; null where the page does not follow it.
function lifeOf(id, row, columns) {
  const targets = columns.flatMap((column, i) => (["target", "targets"].includes(column.kind) ? [row[i]].flat() : []));
  const place = targets.map((target) => placesOf(data).get(`${target}/${id}`)).find((each) => each !== undefined);
  return place === undefined ? null : lifeLink({ task: taskKey(data, place) }, "");
}

// What the address asks a table for: the table, then what is chosen there.
let found = "";

function chosenIn(name) {
  const [table, text] = asked.find.split("?");
  return table === name ? Object.fromEntries(new URLSearchParams(text)) : null;
}

function drawTasks(shown, known) {
  const { tasks, is_cut, total } = data.lives;
  const rows = tasks.task_id.flatMap((_, i) => (tasks.is_current[i] && shown.has(tasks.target[i]) ? [TASK_COLUMNS.map(([name]) => tasks[name][i])] : []));
  lookFor("tasks");
  tables.tasks.show(rows, say("section.tasks"));
  const notes = [coverNote("state", known, rows.length, is_cut)];
  if (is_cut) notes.push(say("life.cut", { rows: number(tasks.task_id.length), total: number(total) }));
  note(tables.tasks.host, sentences(notes));
}

function lookFor(name) {
  const chosen = chosenIn(name);
  if (chosen) tables[name].lookFor(chosen);
  else if (found.split("?")[0] === name) tables[name].lookFor({});
}

function drawTonight(rows) {
  drawHours(document.getElementById("hours"), data, rows, asked, (hour) => lead({ part: "tonight", hour }));
  for (const box of document.querySelectorAll("#only input")) box.checked = asked.only.includes(box.value);
}

function drawTables(shown) {
  const [known, all] = [knowledge(shown), knowledge(data.targets.keys())];
  for (const [name, { values, total, model, covers }] of Object.entries(data.tables)) {
    const rows = rowsOf(name, shown);
    const isCut = values[0].length < total;
    if (name === "tonight") drawTonight(rows);
    lookFor(name);
    const asks = name === "tonight" ? tonightRows(data, rows, asked.only, asked.hour) : rows;
    tables[name].show(asks, say(`section.${name}`));
    const notes = [coverNote(covers, covers === "all" ? all : known, rows.length, isCut)];
    if (isCut) {
      notes.push(say("covers.cut", { rows: number(values[0].length), total: number(total), query: `from ${model}` }));
    }
    note(tables[name].host, sentences(notes));
  }
  drawTasks(shown, known);
  found = asked.find;
  // those that need somebody first; the order is otherwise that of the names
  const targets = [...shown].filter((i) => data.targets[i].is_expected)
    .sort((a, b) => (data.targets[a].coverage === "complete") - (data.targets[b].coverage === "complete"));
  tables.targets.show(targets.map((i) => {
    const target = data.targets[i];
    return [i, target.coverage, target.verdict_reason, target.error_message, target.task_count,
      target.oldest_state_date, target.last_complete_date, target.region, target.project_id];
  }), say("section.targets"));
}

// What is known of the rows of a table: never a plain "none" where something is not known, or not in the page.
function coverNote(covers, known, rows, isCut = false) {
  const values = { ...known, day: data.build.through_date };
  const none = rows ? "" : say(isCut ? "covers.none_here" : known.missing ? "covers.none_known" : "covers.none_found");
  if (covers === "record") return none;
  if (!known.count) return say("covers.none_shown", values);
  if (known.never === known.count) return say("covers.not_known");
  const missing = covers === "changes" ? known.unchanged : known.missing;
  const few = { changes: "covers.some_changes", all: "covers.all_targets", state: "covers.some" };
  const said = say(missing ? few[covers] : covers === "all" ? "covers.every" : "covers.all", values);
  const noneOfChanges = covers === "changes" && !rows && missing && !isCut ? say("covers.none_known") : none;
  return sentences([noneOfChanges, said]);
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
      rows: history, spec: () => historySpec(history, days, asked.by),
      columns: [["day", "day"], ["value", "text"], ["tasks", "number"], ["complete", "number"], ["expected", "number"]],
    },
    load: { rows: load, spec: () => loadSpec(load), columns: [["day", "day"], ["hour", "number"], ["tasks", "number"]] },
    coverage: {
      rows: coverage.map((row) => ({ ...row, state: say(`chart.${row.state}`) })), spec: null,
      columns: [["day", "day"], ["state", "text"], ["complete", "number"], ["expected", "number"]],
    },
  };
}

// Where a bar or a cell leads: to the tasks that it counts, as they are now, or to an hour that lies before us.
function onMark(name, row) {
  if (name === "load") {
    const hour = Array.from({ length: data.tonight.hours }, (_, i) => time(data.tonight.begins_at + i * 3600))
      .findIndex((moment) => moment.slice(0, 10) === row.day && Number(moment.slice(11, 13)) === row.hour);
    if (hour >= 0) lead({ part: "tonight", hour });
  } else if (row.value && !row.isOther && !row.isLast) {
    const value = row.value === say("chart.empty") ? "" : row.value;
    if (asked.by === "region") lead({ part: "tasks", region: value });
    else if (asked.by === "target") lead({ part: "tasks", name: value });
    else lead({ part: "tasks", find: value ? `tasks?${new URLSearchParams({ [asked.by]: value })}` : "" });
  }
}

const chartLabels = {
  day: "chart.day", tasks: "chart.tasks", complete: "chart.known", expected: "section.targets",
  hour: "chart.hour", state: "section.coverage",
};

async function drawCharts(shown) {
  for (const [name, { rows, spec, columns }] of Object.entries(charts(shown))) {
    const host = document.querySelector(`[data-chart="${name}"]`);
    const label = say(`section.${name}`);
    const details = document.querySelector(`[data-numbers="${name}"]`);
    const known = knowledge(shown);
    const covered = coverNote("state", known, rows.length);
    details.hidden = rows.length === 0;
    if (spec === null) drawMatrix(document.getElementById("matrix"), data, shown, (target) => lead({ part: "life", task: "", target: targetKey(data.targets[target]) }));
    else if (name === "load") note(host, rows.length ? covered : "");
    if (spec !== null && rows.length === 0) {
      host.view?.finalize();
      host.view = null;
      for (const attribute of ["role", "aria-label"]) host.removeAttribute(attribute);
      host.replaceChildren(element("p", { class: "cover" }, shown.size ? covered : say("filter.none")));
      continue;
    }
    if (spec !== null) await drawChart(host, spec(), label, (row) => onMark(name, row));
    details.table ??= new DataTable(details.querySelector(".table"), name, columns.map(([key, kind]) =>
      ({ name: key, kind, label: () => say(key === "value" ? `chart.${asked.by}` : chartLabels[key], { timezone: speech.timezone }) })));
    details.table.show(rows.map((row) => columns.map(([key]) => row[key])), label);
  }
}

// -- controls ----------------------------------------------------------------------------------------------------------

function fill(select, values, name = (value) => value) {
  select.replaceChildren(element("option", { value: "" }), ...values.map((value) => element("option", { value }, name(value))));
}

function projectName(project) {
  const names = new Set(data.targets.filter((target) => target.project_id === project).map((target) => target.target_name || project));
  return listed([...names]);
}

function makeControls() {
  const form = document.getElementById("filter");
  fill(form.project, [...new Set(data.targets.map((target) => target.project_id))].sort(), projectName);
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
  document.getElementById("by").append(...choices.by.map((by) =>
    element("label", {}, element("input", { type: "radio", name: "by", value: by, checked: by === asked.by,
      onchange: () => { asked.by = by; draw(); } }), element("span", { "data-say": `chart.${by}` }))));
  document.getElementById("only").append(...ONLY.map((name) =>
    element("label", {}, element("input", { type: "checkbox", value: name, onchange: (event) => lead({ part: "tonight",
      only: ONLY.filter((each) => (each === name ? event.target.checked : asked.only.includes(each))) }) }),
    element("span", { "data-say": `column.${name}` }))));
  const zone = document.getElementById("zone");
  zone.append(...data.zones.map((name) => element("option", { value: name }, name)));
  zone.addEventListener("change", () => {
    asked.zone = zone.value;
    draw();
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-part], a[data-go]");
    if (!link) return;
    event.preventDefault();
    if (link.closest("#results")) drawResults("");
    lead(link.dataset.go ? JSON.parse(link.dataset.go) : { part: link.dataset.part, find: "", task: "", target: "" });
  });
  window.addEventListener("popstate", () => {
    readAddress();
    draw({ moves: true });
  });
  const search = document.getElementById("search");
  search.addEventListener("input", () => drawResults(search.value));
  search.form.addEventListener("submit", (event) => {
    event.preventDefault();
    document.querySelector("#results a")?.click();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") drawResults("");
  });
  for (const [name, isPrinting] of [["beforeprint", true], ["afterprint", false]]) {
    window.addEventListener(name, () => {
      paper.isPrinting = isPrinting;
      for (const table of [...Object.values(tables), ...Object.values(lifeTables)]) table.draw();
    });
  }
  document.getElementById("language").addEventListener("click", () => {
    asked.lang = speech.language === "en" ? "zh" : "en";
    draw();
  });
  document.getElementById("theme").addEventListener("click", () => {
    asked.theme = isDark() ? "light" : "dark";
    draw();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw());
}

// What the search finds, below its box; a link there leads to the life of a task or a target.
function drawResults(text) {
  const { links, count } = searched(data, text);
  const { tasks, is_cut, total } = data.lives;
  const notes = [count > links.length ? say("table.more", { count: number(count - links.length) }) : "",
    count ? "" : say("search.none", { count: number(tasks.task_id.length) }),
    is_cut ? say("search.rest", { rest: number(total - tasks.task_id.length), query: searchQuery(text) }) : ""];
  const results = document.getElementById("results");
  results.hidden = !text.trim();
  results.replaceChildren(...links.map((link) => element("li", {}, link)), ...notes.filter(Boolean).map((each) => element("li", { class: "hint" }, each)));
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
    ? say("filter.shown", { shown: number(shown.size), count: number(data.targets.length) })
    : say("filter.none");
  const search = document.getElementById("search");
  search.setAttribute("aria-label", say("search.label"));
  search.setAttribute("placeholder", say("search.label"));
  document.getElementById("zone").value = speech.timezone;
  document.getElementById("contents-list").setAttribute("aria-label", say("page.contents"));
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.part === asked.part) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  const language = document.getElementById("language");
  language.textContent = say("page.language");
  language.setAttribute("aria-label", say("page.language_label"));
}

// -- all of it -----------------------------------------------------------------------------------------------------------

let drawing = Promise.resolve();
let isWaiting = false;
let isMoving = true;

// One drawing at a time; what is asked while one goes on is drawn once after it.
function draw({ moves = false } = {}) {
  isMoving ||= moves === true;
  if (isWaiting) return;
  isWaiting = true;
  drawing = drawing.then(() => {
    isWaiting = false;
    return drawNow();
  }).catch(broken);
}

async function drawNow() {
  speech.language = asked.lang || (navigator.language.startsWith("zh") ? "zh" : "en");
  document.documentElement.lang = speech.language === "zh" ? "zh-Hans" : "en";
  document.documentElement.dataset.theme = isDark() ? "dark" : "light";
  speech.timezone = data.zones.includes(asked.zone) ? asked.zone : data.zones[0];
  history.replaceState(null, "", address());
  const shown = shownTargets();
  document.title = say("page.title", dayCounts());
  sayAll(document);
  drawAge(Date.now() / 1000);
  drawControls(shown);
  drawTiles(shown);
  drawLife(document.getElementById("part-life"), data, asked);
  drawTables(shown);
  drawBrief(document.getElementById("brief"), data, shown);
  document.getElementById("footer").textContent = say("page.footer", { ...data.build, timezone: speech.timezone });
  await drawCharts(shown);
  if (isMoving) {
    const part = asked.part && document.getElementById(`part-${asked.part}`);
    (document.getElementById(asked.find.split("?")[0]) ?? part)?.scrollIntoView?.();
    part?.focus?.({ preventScroll: true });
    isMoving = false;
  }
  document.documentElement.dataset.drawn = String(Number(document.documentElement.dataset.drawn ?? 0) + 1);
}

function broken(error) {
  const place = document.getElementById("broken");
  place.hidden = false;
  const key = "page.broken";
  place.textContent = Object.hasOwn(speech.words, key)
    ? say(key, { error: error.message })
    : `The page could not be drawn (${error.message}). It needs a browser of 2023 or later.`;
}

async function begin() {
  data = await unpack(document.getElementById("contents").textContent);
  speech.words = data.words;
  readAddress();
  document.getElementById("needs-script").hidden = false;
  for (const controls of document.querySelectorAll(".controls")) controls.hidden = false;
  makeControls();
  makeTables();
  draw();
  // A page that stays open grows old as well.
  setInterval(() => drawAge(Date.now() / 1000), 60_000);
  document.addEventListener("visibilitychange", () => drawAge(Date.now() / 1000));
}

begin().catch(broken);
