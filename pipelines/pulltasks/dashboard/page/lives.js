// One task or one target: what it was on every day that is known, and what else it touches.
// Not here: which one is asked for (page.js), tables (table.js).

const RELATED_SHOWN = 12;
const RESULTS_SHOWN = 8;
const lifeTables = {};

// Where a task of the page stands in its list, by target and id.
function placesOf(data) {
  data.lives.places ??= new Map(data.lives.tasks.task_id.map((id, place) => [`${data.lives.tasks.target[place]}/${id}`, place]));
  return data.lives.places;
}

function taskAt(data, place) {
  return Object.fromEntries(Object.entries(data.lives.tasks).map(([name, values]) => [name, values[place]]));
}

function targetKey(target) {
  return `${target.project_id}/${target.region}`;
}

function taskKey(data, place) {
  const { target, task_id } = data.lives.tasks;
  return `${targetKey(data.targets[target[place]])}/${task_id[place]}`;
}

// The place of a task by "project/region/task"; undefined where the page does not follow it.
function placeOf(data, key) {
  const [project, region, ...id] = key.split("/");
  const target = data.targets.findIndex((each) => each.project_id === project && each.region === region);
  return placesOf(data).get(`${target}/${id.join("/")}`);
}

function lifeLink(go, text, title = null) {
  return element("a", { href: to({ view: "life", ...go }), title }, text);
}

function targetLink(data, place) {
  const target = data.targets[place];
  return lifeLink({ target: targetKey(target) }, target.label, targetKey(target));
}

function taskLink(data, place, text) {
  const named = text ?? `${data.lives.tasks.destination[place] || data.lives.tasks.task_id[place]} (${data.targets[data.lives.tasks.target[place]].label})`;
  return lifeLink({ task: taskKey(data, place) }, named);
}

function searchTexts(data) {
  const { destination, task_id, source_urls, backup_source_urls } = data.lives.tasks;
  data.lives.texts ??= task_id.map((id, place) =>
    [id, destination[place], ...(source_urls[place] ?? []), ...(backup_source_urls[place] ?? [])].join("\n").toLowerCase());
  return data.lives.texts;
}

// Links to the targets and tasks that a text is part of, and how many there are.
function searched(data, text) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return { links: [], count: 0 };
  const targets = data.targets.filter((target) => `${target.label}\n${targetKey(target)}`.toLowerCase().includes(wanted))
    .map((target) => () => lifeLink({ target: targetKey(target) }, target.label));
  const tasks = searchTexts(data).flatMap((each, place) => (each.includes(wanted) ? [() => taskLink(data, place)] : []));
  const found = [...targets, ...tasks];
  return { links: found.slice(0, RESULTS_SHOWN).map((make) => make()), count: found.length };
}

// The same search in every task that was ever listed, as SQL.
function searchQuery(text) {
  return `from dim_pull_tasks as task where contains(lower(task::varchar), ${sqlText(text.trim().toLowerCase())})`;
}

// What part of all tasks the page holds, if it is a part.
function cutNote(data) {
  const { is_cut, tasks, total } = data.lives;
  return is_cut ? element("p", { class: "hint" }, say("life.cut", { rows: number(tasks.task_id.length), total: number(total) })) : "";
}

const DAY_MS = 86_400_000;
const dayNumber = (day) => Date.parse(`${day}T00:00Z`) / DAY_MS;

// [status or null where it was not listed, from, to (not included), days unknown], from its first day to the last one.
function bandOf(data, place) {
  const end = new Date((dayNumber(data.build.through_date) + 1) * DAY_MS).toISOString().slice(0, 10);
  const parts = [];
  for (const [, status, from, to, unknown] of data.lives.spells.filter(([each]) => each === place)) {
    const before = parts.at(-1);
    if (before && before[2] < from) parts.push([null, before[2], from, 0]);
    parts.push([status ?? "", from, to ?? end, unknown]);
  }
  const last = parts.at(-1);
  if (last && last[2] < end) parts.push([null, last[2], end, 0]);
  return parts;
}

function bandNode(data, place) {
  const parts = bandOf(data, place);
  return element("ol", { class: "band" }, ...parts.map(([status, from, to, unknown]) => {
    const days = dayNumber(to) - dayNumber(from);
    const values = { status: status === null ? say("life.not_listed") : status || say("chart.empty"), from, to, count: days };
    const text = sentences([say("life.spell", values), unknown ? say("life.unknown_days", { count: unknown }) : ""]);
    const part = element("li", { class: status === null ? "absent" : statusColours().get(status) ?? "word-rest", title: text },
      element("strong", {}, values.status), element("span", {}, [`${from} – ${say("life.days", { count: days })}`, unknown ? say("life.unknown_days", { count: unknown }) : ""].filter(Boolean).join(" · ")));
    part.style.setProperty("--days", String(days));
    return part;
  }));
}

function facts(pairs) {
  return element("dl", { class: "facts" }, ...pairs.filter(([, value]) => value !== null && value !== undefined && value !== "")
    .flatMap(([label, value]) => [element("dt", {}, label), element("dd", {}, value)]));
}

function addresses(urls, heading, none) {
  if (!urls?.length) return element("p", { class: "cover" }, none);
  return element("div", {}, element("h3", {}, heading), element("ol", { class: "addresses" }, ...urls.map((url) => element("li", {}, url ?? ""))));
}

function relatedNode(data, place, kind, key, none) {
  const places = new Set(data.lives.related.filter(([each, members]) => each === kind && members.includes(place)).flatMap(([, members]) => members));
  places.delete(place);
  if (!places.size) return element("p", { class: "cover" }, say(none));
  const links = [...places].slice(0, RELATED_SHOWN).map((each) => element("li", {}, taskLink(data, each)));
  if (places.size > links.length) links.push(element("li", {}, say("table.more", { count: places.size - links.length })));
  return element("div", {}, element("h3", {}, say(key, { count: places.size })), element("ul", {}, ...links));
}

function conflictsOf(data, place) {
  const { columns, values } = data.tables.conflicts;
  const at = Object.fromEntries(columns.map((column, i) => [column.name, i]));
  const { target, task_id, destination } = data.lives.tasks;
  return values[at.task_ids].flatMap((ids, row) =>
    (ids.includes(task_id[place]) && values[at.target_keys][row].includes(target[place]) && values[at.destination][row] === destination[place]
      ? [Object.fromEntries(columns.map((column, i) => [column.name, values[i][row]]))] : []));
}

function conflictNode(data, place) {
  const found = conflictsOf(data, place);
  const { values, total } = data.tables.conflicts;
  if (!found.length) return element("p", { class: "cover" }, say(values[0].length < total ? "covers.none_here" : "life.none_conflicts"));
  const moment = (seconds, open) => (seconds === null ? say(open) : time(seconds));
  return element("div", {}, element("h3", {}, say("section.conflicts")), element("ul", {}, ...found.map((row) =>
    element("li", {}, say("life.conflict", {
      timing: word("word", row.timing), count: row.task_count,
      from: moment(row.overlap_start_time, "life.always"), to: moment(row.overlap_end_time, "life.open"),
    })))));
}

const sqlNode = (query) => element("p", { class: "sql" }, idNode(query, { isWhole: true }));
const sqlText = (text) => `'${text.replaceAll("'", "''")}'`;

function shortTable(name, label, columns, rows) {
  lifeTables[name] = new DataTable(element("div", { class: "table" }), `life_${name}`, columns.map(([key, kind]) =>
    ({ name: key, kind, label: () => say(`column.${key}`, { timezone: speech.timezone }) })));
  lifeTables[name].show(rows, label);
  return lifeTables[name].host;
}

function taskNodes(data, place) {
  const task = taskAt(data, place);
  const target = data.targets[task.target];
  const moment = (seconds) => (seconds === null ? null : time(seconds));
  const changes = data.lives.changes.filter(([each]) => each === place).map(([, ...row]) => row);
  const where = `where project_id = ${sqlText(target.project_id)} and region = ${sqlText(target.region)} and task_id = ${sqlText(task.task_id)}`;
  return [
    element("h2", {}, say("life.task", { name: task.destination || task.task_id })),
    task.is_current ? "" : element("p", { class: "gone" }, say("life.gone", { day: task.absence_noticed_date })),
    facts([
      [say("column.target"), targetLink(data, task.target)],
      [say("column.task_id"), idNode(task.task_id, { isWhole: true })],
      [say("column.status"), kinds.status.node(task.status)],
      [say("column.start_time", speech), moment(task.start_time) ?? say("life.always")],
      [say("column.end_time", speech), moment(task.end_time) ?? say("life.open")],
      [say("column.source_type"), task.source_type], [say("column.app_name"), task.app_name],
      [say("column.callback_url"), task.callback_url],
      [say("life.created"), moment(task.create_time)],
      [say("life.first_seen"), task.first_seen_date], [say("column.state_date"), task.state_date],
    ]),
    element("h3", {}, say("life.states")), bandNode(data, place),
    element("div", { class: "halves" }, addresses(task.source_urls, say("life.sources"), say("life.sources_none")),
      addresses(task.backup_source_urls, say("life.backups"), say("life.backups_none")),
      conflictNode(data, place), relatedNode(data, place, "destination", "life.same_destination", "life.none_destination"),
      relatedNode(data, place, "source", "life.same_source", "life.none_source")),
    cutNote(data),
    element("h3", {}, say("life.changes")),
    changes.length
      ? shortTable("changes", say("life.changes"), [["snapshot_date", "day"], ["previous_complete_date", "day"], ["change", "word"], ["field", "text"],
        ["value_before", "address"], ["value_after", "address"], ["reason", "word"]], changes)
      : element("p", { class: "cover" }, say(data.lives.changes_cut ? "covers.none_here" : "life.no_changes")),
    sqlNode(`select * from dim_pull_task_versions ${where} order by valid_from_date`),
  ];
}

// [day, ending, reason, tasks, requests, seconds] of each day on which it was expected, the last one first.
function targetDays(data, position) {
  const [, days, tasks, requests, seconds] = data.lives.target_days.find(([each]) => each === position) ?? [0, [], [], [], []];
  const why = new Map((([, at, reasons]) => at.map((day, i) => [day, reasons[i]]))(data.coverage_reasons.find(([each]) => each === position) ?? [0, [], []]));
  return days.map((day, i) => [data.days[day], endings[data.coverage[position][day]][0], why.get(day) ?? null, tasks[i], requests[i], seconds[i]]).reverse();
}

function targetNodes(data, position) {
  const target = data.targets[position];
  const host = element("div");
  drawMatrix(host, data, new Set([position]));
  const where = `where project_id = ${sqlText(target.project_id)} and region = ${sqlText(target.region)}`;
  return [
    element("h2", {}, say("life.target", { name: target.label })),
    target.coverage && target.coverage !== "complete" ? element("p", { class: "gone" }, lastAndWho(target)) : "",
    facts([
      [say("column.project_id"), idNode(target.project_id, { isWhole: true })], [say("column.region"), target.region],
      [say("column.coverage"), word("coverage", target.coverage)], [say("column.verdict_reason"), word("reason", target.verdict_reason)],
      [say("column.error_message"), target.error_message],
      [say("column.last_complete_date"), target.last_complete_date], [say("column.task_count"), target.task_count === null ? null : number(target.task_count)],
    ]),
    element("p", {}, element("a", { href: to({ view: "tasks", project: target.project_id, region: target.region, name: "" }) },
      say("life.only_target"))),
    host,
    shortTable("days", say("section.coverage"), [["snapshot_date", "day"], ["coverage", "coverage"], ["verdict_reason", "reason"], ["task_count", "number"],
      ["requests", "number"], ["duration_seconds", "number"]], targetDays(data, position)),
    sqlNode(`from rpt_snapshot_coverage ${where} order by snapshot_date desc`),
  ];
}

// When a target was last known, and who has to do something about it.
function lastAndWho(target) {
  const since = target.last_complete_date === null ? say("life.never") : say("life.last", { day: target.last_complete_date });
  return sentences([since, say(`who.${target.who ?? "nobody"}`)]);
}

function drawLife(host, data, asked) {
  const place = asked.task ? placeOf(data, asked.task) : undefined;
  const position = data.targets.findIndex((target) => targetKey(target) === asked.target);
  const absent = (key, id) => [element("p", { class: "cover" }, say(key, { id }))];
  const nodes = asked.task
    ? place === undefined ? absent("life.not_here", asked.task.split("/").at(-1)) : taskNodes(data, place)
    : position < 0 ? absent("life.no_target", asked.target) : targetNodes(data, position);
  host.replaceChildren(...nodes.filter((node) => node !== ""));
}
