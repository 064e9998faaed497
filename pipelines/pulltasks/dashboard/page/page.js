// The page: what the reader asks for, kept in the address, and the view that is drawn from it.
// Not here: one table (table.js), marks (marks.js), the overview (overview.js), one task or target (lives.js).

const VIEWS = ["overview", "tasks", "changes", "conflicts", "schedule", "coverage", "life"];
// What belongs to one place, and is not carried to another.
const here = { view: "overview", find: "", task: "", target: "", day: "", hour: "" };
const usual = { ...here, project: "", region: "", name: "", by: "status", zone: "", lang: "", theme: "" };
const asked = { ...usual };
const tables = {};
let data;

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

const choices = { view: VIEWS, by: Object.keys(valuesOf), lang: ["en", "zh"], theme: ["light", "dark"] };

function readAddress() {
  Object.assign(asked, usual, { lang: asked.lang, theme: asked.theme });
  for (const [key, value] of new URLSearchParams(location.hash.slice(1))) {
    if (Object.hasOwn(asked, key) && (choices[key]?.includes(value) ?? true)) asked[key] = value;
  }
  if (!data.days.includes(asked.day)) asked.day = "";
  const hour = (Number(asked.hour) - data.load.begins_at) / 3600;
  if (asked.day || !(Number.isInteger(hour) && hour >= 0 && hour < data.load.hours)) asked.hour = "";
}

function addressOf(wanted) {
  const said = Object.entries(wanted).filter(([key, value]) => value !== "" && value !== usual[key]);
  return `#${new URLSearchParams(said)}`;
}

// The address of a place of the page under the filters, language and look of now.
function to(place) {
  return addressOf({ ...asked, ...here, ...place });
}

// Keeps in the address what was asked for in this place.
function keep(changes) {
  Object.assign(asked, changes);
  history.replaceState(history.state, "", addressOf(asked));
}

function ask(changes) {
  keep(changes);
  draw();
}

function shownTargets() {
  const name = asked.name.toLowerCase();
  return new Set(data.targets.flatMap((target, i) =>
    (!asked.project || target.project_id === asked.project) && (!asked.region || target.region === asked.region)
    && (!name || target.label.toLowerCase().includes(name)) ? [i] : []));
}

// What lies farther after now was written by a wrong clock, or is read by one: it is never fresh.
const CLOCK_TOLERANCE_SECONDS = 120;

function ageOf(now) {
  const ages = [data.build.built_at, data.newest_complete?.finished_at, data.captured_at].filter((at) => typeof at === "number").map((at) => now - at);
  const isAhead = Math.min(...ages) < -CLOCK_TOLERANCE_SECONDS; // where a clock is wrong, no age is known
  const captured = data.captured_at === null ? null : now - data.captured_at;
  return { isAhead, captured, isOld: isAhead || captured === null || captured > data.max_age_seconds };
}

function drawVerdict(now) {
  const { isAhead, captured, isOld } = ageOf(now);
  const expected = data.targets.filter((target) => target.is_expected);
  const never = expected.filter((target) => target.last_complete_at === null).length;
  // what was never complete counts from the first day on which it was to be
  const since = (target) => target.last_complete_at ?? Date.parse(data.days[data.coverage[data.targets.indexOf(target)].search(/[^.]/)]) / 1000;
  const late = expected.filter((target) => now - since(target) > data.max_target_age_seconds).length;
  const all = knowledge(data, data.targets.keys());
  const limit = age(data.max_target_age_seconds);
  const state = isAhead ? "ahead" : isOld ? "old" : !all.count ? "nothing" : all.missing ? "incomplete" : "complete";
  document.getElementById("pill").textContent = say(`verdict.${state}`);
  document.getElementById("verdict").className = isOld || never || late ? "bad" : state === "complete" ? "good" : "late";
  document.getElementById("facts").textContent = [
    all.never < all.count ? say("unit.tasks", { count: number(tally(data, data.targets.keys(), "tasks")) }) : "",
    captured === null ? "" : say(isAhead ? "verdict.captured" : "verdict.captured_ago", { time: time(data.captured_at), timezone: speech.timezone, age: age(captured) }),
    all.missing ? data.newest_complete ? say("verdict.newest", { day: data.newest_complete.day }) : say("verdict.never") : "",
  ].filter(Boolean).join(" · ");
  const warnings = document.getElementById("warnings");
  warnings.textContent = sentences([
    isAhead ? say("verdict.wrong_clock") : captured === null ? say("verdict.old_never", { age: age(now - data.build.built_at) })
      : isOld ? say("verdict.too_old", { age: age(captured) }) : "",
    !isAhead && late ? say("verdict.beyond", { part: late, count: all.count, limit }) : ""]);
  warnings.hidden = !warnings.textContent;
  const line = document.getElementById("line");
  line.textContent = [isOld ? say(`verdict.${state}`) : "", captured === null || isAhead
    ? data.build.through_date : say("page.line", { ...dayCounts(all), age: age(captured) })].filter(Boolean).join(" · ");
  line.className = isOld ? "bad" : "";
}

function dayCounts(all) {
  return { day: data.build.through_date, complete: all.count - all.missing, count: all.count };
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

function rowsOf(name, shown) {
  const { columns, values } = data.tables[name];
  const targets = columns.flatMap((column, i) => (["target", "targets"].includes(column.kind) ? [i] : []));
  return values[0].map((_, row) => values.map((column) => column[row]))
    .filter((row) => !targets.length || targets.some((i) => [row[i]].flat().some((target) => shown.has(target))));
}

let colours;

// The colours of statuses are the same in every chart, table and life.
function statusColours() {
  if (colours) return colours;
  const counts = new Map([...data.lives.spells.map(([, status]) => [status ?? "", 0]), ...data.lives.tasks.status.map((status) => [status ?? "", 0])]);
  for (const [, status, , , tasks] of data.counts) counts.set(status ?? "", (counts.get(status ?? "") ?? 0) + tasks.at(-1));
  // the most frequent ones get a colour of their own; which one does not depend on the number
  const ranked = [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a) || (a < b ? -1 : 1));
  const first = ranked.filter((status) => status && !OWN_COLOURS.has(status)).slice(0, COLOURS).sort();
  colours = coloursOf(new Set([...first, ...ranked]));
  return colours;
}

const TASK_COLUMNS = [
  ["destination", "address"], ["target", "target"], ["status", "status"], ["start_time", "time"], ["end_time", "time"], ["notes", "notes"],
  ["source_type", "text"], ["task_id", "id"], ["state_date", "day"], ["ends", "word", true], ["no_backup", "flag", true],
  ["in_conflict", "flag", true], ["shares_source", "flag", true], ["app_name", "text", true], ["host", "text", true],
];
const TARGET_COLUMNS = [
  ["target", "target"], ["coverage", "coverage"], ["verdict_reason", "reason"], ["task_count", "number"],
  ["last_complete_date", "day"], ["days_complete_30", "number"], ["days_expected_30", "number"], ["longest_gap_days", "number"],
  ["error_message", "address", true], ["days_complete_90", "number", true], ["days_expected_90", "number", true], ["oldest_state_date", "day", true], ["region", "text", true], ["project_id", "id", true],
];

function makeTables() {
  const labels = (targets) => (targets ?? []).map((target) => data.targets[target].label);
  const links = (targets) => (targets ?? []).map((target) => targetLink(data, target));
  kinds.target = { show: (value) => labels(value === null ? [] : [value]).join(), node: (value) => links(value === null ? [] : [value])[0] ?? "", css: "target" };
  kinds.targets = { show: (value) => labels(value).join(", "), node: (value) => listNode(links(value), (link) => link), css: "target" };
  kinds.id.node = (value, row, columns) => idNode(value, { link: lifeOf(value, row, columns) });
  kinds.ids.node = (values, row, columns) => listNode(values, (value) => idNode(value, { link: lifeOf(value, row, columns) }));
  const made = (name, columns, query) => {
    const onAsk = (chosen) => {
      const text = new URLSearchParams(chosen).toString();
      const others = asked.find.split("|").filter((each) => each && !each.startsWith(`${name}?`));
      keep({ find: [...others, ...(text ? [`${name}?${text}`] : [])].join("|") });
    };
    const all = columns.map(({ name: key, kind, description, isUnseen = false }) =>
      ({ name: key, kind, description, isUnseen, label: () => say(`column.${key}`, { timezone: speech.timezone }) }));
    tables[name] = new DataTable(document.querySelector(`[data-table="${name}"]`), name, all, { query, onAsk });
  };
  const named = (columns) => columns.map(([name, kind, isUnseen]) => ({ name, kind, isUnseen }));
  for (const [name, { columns, query, covers }] of Object.entries(data.tables)) made(name, columns, () => (covers === "all" ? query : shownQuery(query, columns)));
  made("tasks", named(TASK_COLUMNS), taskQuery);
  made("targets", named(TARGET_COLUMNS), () => shownQuery("from rpt_target_reliability join fct_target_days using (project_id, region) "
    + `where snapshot_date = date '${data.build.through_date}'`, named(TARGET_COLUMNS)));
}

// The SQL of a table for the targets that are shown.
function shownQuery(query, columns) {
  const shown = [...shownTargets()].map((i) => data.targets[i]);
  if (shown.length === data.targets.length) return query;
  const keys = shown.map((target) => sqlText(targetKey(target)));
  const list = columns.find(({ kind }) => kind === "targets")?.name;
  const condition = list ? `list_has_any(${list}, [${keys.join(", ")}]::varchar[])` : keys.length ? `project_id || '/' || region in (${keys.join(", ")})` : "false";
  return `from (${query}) where ${condition}`;
}

// A link to the life of the task that an id in a row stands for; null where the page does not hold it.
function lifeOf(id, row, columns) {
  const targets = columns.flatMap((column, i) => (["target", "targets"].includes(column.kind) ? [row[i]].flat() : []));
  const found = targets.map((target) => placesOf(data).get(`${target}/${id}`)).filter((each) => each !== undefined);
  return found.length === 1 ? lifeLink({ task: taskKey(data, found[0]) }, "") : null;
}

// Shows rows under what the address asks this table for, and says what part of all rows they are.
function showTable(name, rows, notes, day) {
  const text = asked.find.split("|").find((each) => each.startsWith(`${name}?`)) ?? "";
  tables[name].lookFor(Object.fromEntries(new URLSearchParams(text.slice(name.length + 1))));
  tables[name].show(rows, say(`section.${name}`), day);
  const host = tables[name].host;
  const place = host.previousElementSibling.matches(".cover") ? host.previousElementSibling : element("p", { class: "cover" });
  place.textContent = sentences(notes);
  host.before(place);
}

function drawTable(name, shown) {
  const { values, total, model, covers } = data.tables[name];
  const rows = rowsOf(name, shown);
  const isCut = values[0].length < total;
  const known = knowledge(data, covers === "all" ? data.targets.keys() : shown);
  showTable(name, rows, [coverNote(covers, known, rows.length, isCut),
    isCut ? say("covers.cut", { rows: number(values[0].length), total: number(total), query: `from ${model}` }) : ""]);
}

function noteWords(tasks, i) {
  return [tasks.ends[i] === "within_7_days" ? null : tasks.ends[i], ...["in_conflict", "no_backup", "shares_source"].map((name) => (tasks[name][i] ? name : null))].filter(Boolean);
}

function nowRow(tasks, i) {
  return TASK_COLUMNS.map(([name]) => (name === "notes" ? noteWords(tasks, i) : tasks[name][i]));
}

// The rows of fct_pull_task_days that the page holds: what tasks were on a day on which their target was complete.
function dayRows(shown, day) {
  const { tasks, past } = data.lives;
  const isKnown = (target) => shown.has(target) && data.coverage[target][data.days.indexOf(day)] === "c";
  const then = { ends: null, in_conflict: null, shares_source: null, state_date: day };
  const row = (values) => TASK_COLUMNS.map(([name]) => (name === "notes" ? (values.no_backup ? ["no_backup"] : []) : values[name]));
  const unchanged = tasks.task_id.flatMap((_, i) => (tasks.is_current[i] && tasks.valid_from_date[i] <= day && isKnown(tasks.target[i])
    ? [row({ ...taskAt(data, i), ...then })] : []));
  const others = past.flatMap(([place, destination, status, start_time, end_time, source_type, app_name, host, no_backup, from, until]) =>
    (from <= day && day < until && isKnown(tasks.target[place])
      ? [row({ target: tasks.target[place], task_id: tasks.task_id[place], destination, status, start_time, end_time, source_type, app_name, host, no_backup, ...then })] : []));
  return [...unchanged, ...others];
}

function drawTasks(shown) {
  const { tasks, is_cut } = data.lives;
  const { day, hour } = asked;
  const begin = Number(hour);
  const isIn = (_, i) => !hour || (tasks.has_readable_times[i] && (tasks.start_time[i] ?? -Infinity) < begin + 3600 && (tasks.end_time[i] ?? Infinity) > begin);
  const rows = day ? dayRows(shown, day) : listedTasks(data, shown, isIn).map((i) => nowRow(tasks, i));
  const count = day ? historyRows(data, shown, "status").filter((row) => row.day === day).reduce((sum, row) => sum + row.tasks, 0)
    : hour ? loadRows(data, shown).find((row) => row.at === begin)?.tasks ?? rows.length : tally(data, shown, "tasks");
  const known = knowledge(data, shown);
  const ofDay = day ? knownByDay(data, shown)[data.days.indexOf(day)] : null;
  const place = document.getElementById("tasks-of");
  place.hidden = !day && !hour;
  place.firstElementChild.textContent = day ? say("tasks.of_day", { day, known: ofDay.complete, count: ofDay.expected })
    : hour ? say("tasks.of_hour", { hour: time(begin), timezone: speech.timezone }) : "";
  place.lastElementChild.href = to({ view: "tasks" });
  const isCut = rows.length < count;
  for (const name of ["sources", "receivers"]) document.getElementById(name).hidden = Boolean(day || hour);
  showTable("tasks", rows, [day ? (ofDay.complete ? "" : say("tasks.unknown_day", { day })) : coverNote("state", known, rows.length, is_cut),
    isCut ? say("tasks.part", { part: number(rows.length), count: number(count) }) : "", is_cut ? cutNote(data).textContent : ""], day || undefined);
}

const NO_BACKUP = "len(list_filter(backup_source_fingerprints, lambda address: address is not null)) = 0";
const CONDITIONS = {
  no_backup: () => NO_BACKUP,
  ends: (value) => `(project_id, region, task_id) in (select (project_id, region, task_id) from rpt_expiring_tasks where ends = ${sqlText(value)})`,
  in_conflict: () => "(destination_fingerprint, task_id) in (select (destination_fingerprint, unnest(task_ids)) from rpt_stream_conflicts where timing <> 'over')",
  shares_source: () => "list_has_any(source_fingerprints || backup_source_fingerprints, (select list(url_fingerprint) from rpt_source_reuse))",
  host: (value) => `destination_host = ${sqlText(value)}`,
};

// The SQL of the tasks that are shown, also of those that are not in the page.
function taskQuery() {
  const { day, hour, project, region, name } = asked;
  const moment = (seconds) => `timestamp '${new Date(seconds * 1000).toISOString().slice(0, 19).replace("T", " ")}'`;
  const targets = [...shownTargets()].map((i) => `(${sqlText(data.targets[i].project_id)}, ${sqlText(data.targets[i].region)})`);
  const where = [
    day ? `snapshot_date = date '${day}'` : "is_current",
    ...(hour ? ["coalesce(start_time_raw, '') = ''", "coalesce(end_time_raw, '') = ''", `coalesce(start_time < ${moment(Number(hour) + 3600)}, true)`,
      `coalesce(end_time > ${moment(Number(hour))}, true)`] : []),
    ...(name ? [targets.length ? `(project_id, region) in (${targets.join(", ")})` : "false"] : []),
    ...(project && !name ? [`project_id = ${sqlText(project)}`] : []), ...(region && !name ? [`region = ${sqlText(region)}`] : []),
    ...Object.entries(tables.tasks.chosen).map(([key, value]) => CONDITIONS[key]?.(value) ?? `${key} = ${sqlText(value)}`),
  ];
  return `from ${day ? "fct_pull_task_days" : "dim_pull_tasks"} where ${where.join(" and ")}`;
}

function drawOverview(shown) {
  drawTiles(document.getElementById("tiles"), data, shown);
  document.getElementById("comparison").textContent = comparisonNote(data, shown);
  drawHistory(document.getElementById("history"), data, shown, asked.by);
  const now = Date.now() / 1000;
  const isDated = ageOf(now).isOld;
  document.getElementById("needs-heading").textContent = say(isDated ? "needs.heading_of_day" : "needs.heading", { day: data.build.through_date });
  const lists = listsOf(data, shown, now, isDated);
  drawLists(document.getElementById("needs"), data, shown, lists, onScreen);
  drawLists(document.getElementById("brief-lists"), data, shown, lists, onPaper);
}

// How many tasks changed in which way: "5 removed, 31 changed (status 20, source_urls 11), 4 added".
function changesText(shown) {
  const sums = new Map();
  for (const [target, change, field, count] of data.kinds_of_change) {
    if (!shown.has(target)) continue;
    const key = field === null ? change : `${change} ${field}`;
    sums.set(key, (sums.get(key) ?? 0) + count);
  }
  const fields = [...sums].filter(([key]) => key.startsWith("changed ")).sort(([, a], [, b]) => b - a).map(([key, count]) => `${key.slice(8)} ${number(count)}`);
  const parts = ["removed", "returned", "changed", "added"].filter((change) => sums.has(change))
    .map((change) => say("changes.of_kind", { count: number(sums.get(change)), kind: word("word", change) }));
  return parts.length ? say(fields.length ? "changes.summary_by_field" : "changes.summary", { kinds: listed(parts), fields: listed(fields) }) : "";
}

function drawSchedule(shown) {
  const rows = loadRows(data, shown);
  const now = Date.now() / 1000;
  const isSome = rows.some((row) => row.tasks);
  const ahead = rows.filter((row) => row.at + 3600 > now);
  const most = busiest(ahead);
  document.getElementById("peak").textContent = sentences([most ? peakText(ahead, most) : "", coverNote("state", knowledge(data, shown), isSome ? 1 : 0)]);
  const host = document.getElementById("week");
  if (isSome) drawWeek(host, rows, now, (row) => to({ view: "tasks", hour: String(row.at) }));
  else host.replaceChildren();
}

function drawCoverage(shown) {
  const days = knownByDay(data, shown);
  const sum = (name) => days.reduce((all, day) => all + day[name], 0);
  document.getElementById("coverage-line").textContent = say("coverage.line", { first: data.days[0], last: data.days.at(-1), complete: number(sum("complete")), count: number(sum("expected")) });
  drawMatrix(document.getElementById("matrix"), data, shown);
  // those that need somebody first; the order is otherwise that of the names
  const order = [...shown].filter((i) => data.targets[i].is_expected)
    .sort((a, b) => (data.targets[a].coverage === "complete") - (data.targets[b].coverage === "complete"));
  showTable("targets", order.map((i) => TARGET_COLUMNS.map(([name]) => (name === "target" ? i : data.targets[i][name]))), []);
  drawTable("gaps", shown);
  drawTable("surprises", shown);
}

const drawView = {
  overview: drawOverview,
  tasks: (shown) => {
    drawTasks(shown);
    for (const name of ["sources", "receivers"]) drawTable(name, shown);
  },
  changes: (shown) => {
    document.getElementById("kinds").textContent = changesText(shown);
    drawTable("changes", shown);
  },
  conflicts: (shown) => drawTable("conflicts", shown),
  schedule: drawSchedule,
  coverage: drawCoverage,
  life: () => drawLife(document.getElementById("life"), data, asked),
};

let isComing = true; // to a view, from another one or from outside
let hasMoved = false; // within the page, so that there is a way back

function fill(select, values, name = (value) => value) {
  select.replaceChildren(element("option", { value: "" }), ...values.map((value) => element("option", { value }, name(value))));
}

function projectName(project) {
  return listed([...new Set(data.targets.filter((target) => target.project_id === project).map((target) => target.target_name || `…${project.slice(-4)}`))]);
}

function makeControls() {
  const form = document.getElementById("filter");
  fill(form.project, [...new Set(data.targets.map((target) => target.project_id))].sort(), projectName);
  fill(form.region, [...new Set(data.targets.map((target) => target.region))].sort());
  form.addEventListener("input", () => ask({ project: form.project.value, region: form.region.value, name: form.name.value }));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => ask({ project: "", region: "", name: "" }));
  document.getElementById("by").append(...choices.by.map((by) =>
    element("label", {}, element("input", { type: "radio", name: "by", value: by, onchange: () => ask({ by }) }), element("span", { "data-say": `chart.${by}` }))));
  const zone = document.getElementById("zone");
  zone.append(...data.zones.map((name) => element("option", { value: name }, name)));
  zone.addEventListener("change", () => ask({ zone: zone.value }));
  document.getElementById("language").addEventListener("click", () => ask({ lang: speech.language === "en" ? "zh" : "en" }));
  document.getElementById("theme").addEventListener("click", () => ask({ theme: isDark() ? "light" : "dark" }));
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    document.getElementById("main").focus();
  });
  document.getElementById("back").addEventListener("click", (event) => {
    if (!hasMoved) return;
    event.preventDefault();
    history.back();
  });
  const search = document.getElementById("search");
  search.addEventListener("input", () => drawResults(search.value));
  search.form.addEventListener("submit", (event) => {
    event.preventDefault();
    document.querySelector("#results a")?.click();
    drawResults("");
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") drawResults("");
  });
  search.form.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !search.form.contains(event.relatedTarget)) drawResults("");
  });
  window.addEventListener("hashchange", () => {
    [isComing, hasMoved] = [true, true];
    drawResults("");
    readAddress();
    draw();
  });
  // the way back leads to where the reader was on the page
  document.addEventListener("scrollend", () => history.replaceState({ top: window.scrollY }, ""));
  for (const [name, isPrinting] of [["beforeprint", true], ["afterprint", false]]) {
    window.addEventListener(name, () => {
      paper.isPrinting = isPrinting;
      for (const table of [...Object.values(tables), ...Object.values(lifeTables)]) if (table.rows.length) table.draw();
    });
  }
  let width = window.innerWidth;
  window.addEventListener("resize", () => {
    if (!paper.isPrinting && window.innerWidth !== width) draw();
    width = window.innerWidth;
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw());
}

// What the search finds, below its box; a link there leads to the life of a task or a target.
function drawResults(text) {
  const { links, count } = searched(data, text);
  const { tasks, is_cut } = data.lives;
  const notes = [count > links.length ? say("table.more", { count: number(count - links.length) }) : "",
    count ? "" : say("search.none", { count: number(tasks.task_id.length) }),
    is_cut ? say("search.rest", { rest: number(data.lives.total - tasks.task_id.length), query: searchQuery(text) }) : ""];
  const results = document.getElementById("results");
  results.hidden = !text.trim();
  results.replaceChildren(...links.map((link) => element("li", {}, link)), ...notes.filter(Boolean).map((each) => element("li", { class: "hint" }, each)));
}

function isDark() {
  return asked.theme ? asked.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function drawControls(shown) {
  const form = document.getElementById("filter");
  form.hidden = shown.size === data.targets.length && (asked.view === "life" || data.targets.length < 2);
  for (const key of ["project", "region", "name"]) if (form[key].value !== asked[key]) form[key].value = asked[key];
  for (const select of [form.project, form.region]) select.options[0].textContent = say("filter.all");
  form.setAttribute("aria-label", say("filter.heading"));
  form.shown.textContent = shown.size
    ? say("filter.shown", { shown: number(shown.size), count: number(data.targets.length) })
    : say("filter.none");
  form.querySelector("[type=reset]").hidden = shown.size === data.targets.length;
  for (const box of document.querySelectorAll("#by input")) box.checked = box.value === asked.by;
  const search = document.getElementById("search");
  for (const name of ["aria-label", "placeholder"]) search.setAttribute(name, say("search.label"));
  document.getElementById("zone").value = speech.timezone;
  document.getElementById("contents-list").setAttribute("aria-label", say("page.contents"));
  const all = knowledge(data, shown);
  const counts = { tasks: number(tally(data, shown, "tasks")), changes: number(tally(data, shown, "changes")), conflicts: number(tally(data, shown, "conflicts")),
    coverage: `${number(all.count - all.missing)}/${number(all.count)}` };
  const unknown = { tasks: all.never, conflicts: all.never, changes: all.unchanged };
  for (const link of document.querySelectorAll("nav a")) {
    const { view } = link.dataset;
    link.lastElementChild.textContent = unknown[view] === all.count ? "" : counts[view] ?? "";
    if (view === asked.view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  // links of the page that was there before any script lead on under the filters of now
  for (const link of document.querySelectorAll("[data-go]")) {
    const all = link.closest("#causes") ? { project: "", region: "", name: "" } : {}; // causes are those of all targets
    link.href = to({ ...all, ...Object.fromEntries(new URLSearchParams(link.dataset.go)) });
  }
  const language = document.getElementById("language");
  language.textContent = say("page.language");
  language.setAttribute("aria-label", say("page.language_label"));
}

function draw() {
  try {
    drawNow();
  } catch (error) {
    broken(error);
  }
}

function drawNow() {
  speech.language = asked.lang || (navigator.language.startsWith("zh") ? "zh" : "en");
  document.documentElement.lang = speech.language === "zh" ? "zh-Hans" : "en";
  document.documentElement.dataset.theme = isDark() ? "dark" : "light";
  speech.timezone = data.zones.includes(asked.zone) ? asked.zone : data.zones[0];
  keep({});
  document.getElementById("broken").hidden = true;
  if (!document.getElementById("results").hidden) drawResults(document.getElementById("search").value);
  const shown = shownTargets();
  document.title = say("page.title", dayCounts(knowledge(data, data.targets.keys())));
  sayAll(document);
  for (const view of document.querySelectorAll("[data-view]:not(a)")) view.hidden = view.dataset.view !== asked.view;
  drawVerdict(Date.now() / 1000);
  drawControls(shown);
  drawView[asked.view](shown);
  document.getElementById("footer").textContent = say("page.footer", { ...data.build, time: time(data.build.built_at), timezone: speech.timezone });
  if (isComing) {
    (document.getElementById(asked.find.split("?")[0]) ?? document.body).scrollIntoView();
    window.scrollTo(0, history.state?.top ?? (asked.find && window.scrollY > 200 ? window.scrollY : 0));
    if (hasMoved) document.getElementById(`view-${asked.view}`).focus({ preventScroll: true });
    isComing = false;
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
  setInterval(() => drawVerdict(Date.now() / 1000), 60_000);
  document.addEventListener("visibilitychange", () => drawVerdict(Date.now() / 1000));
}

begin().catch(broken);
