// The overview: numbers at a glance, tasks per day, what needs somebody, and the lists of the printed brief.
// Not here: the verdict (page.html.j2), whole lists (table.js), what is known of a number (numbers.js).

// Where the list behind a number is.
const places = {
  tasks: { view: "tasks" },
  changes: { view: "changes" },
  conflicts: { view: "conflicts" },
  past_end: { view: "tasks", find: "tasks?ends=past_end" },
  no_backup: { view: "tasks", find: "tasks?no_backup=true" },
};

// A number of the last day, of targets as last known.
function tally(data, shown, name) {
  if (name === "tasks") return [...shown].reduce((sum, i) => sum + (data.targets[i].task_count ?? 0), 0);
  return data.tallies[name].reduce((sum, [targets, count]) => sum + (targets.some((target) => shown.has(target)) ? count : 0), 0);
}

function drawTiles(host, data, shown) {
  const known = knowledge(data, shown);
  const tasks = tally(data, shown, "tasks");
  const before = data.days.length - 2;
  host.replaceChildren(...Object.entries(places).map(([name, place]) => {
    const isUnknown = known.count === (name === "changes" ? known.unchanged : known.never);
    const value = tally(data, shown, name);
    const history = compared(data, shown, name);
    // what each day was, had the targets that were not known on it been as they are now
    const line = history.map((each) => (isUnknown || each === null ? null : value - each.change));
    const notes = [];
    if (!isUnknown) {
      if (["past_end", "no_backup"].includes(name) && tasks) notes.push(share(value, tasks));
      const usual = line.slice(0, -1).filter((each) => each !== null);
      if (name === "changes" && usual.length) notes.push(say("tile.median", { count: number(middle(usual)) }));
      if (name !== "changes" && history[before]) notes.push(signed(history[before].change));
    }
    const link = element("a", { href: to(place) },
      element("span", { class: "label" }, say(`tile.${name}`)),
      element("strong", { class: name === "conflicts" && value && !isUnknown ? "alarming" : null }, isUnknown ? say("tile.unknown") : number(value)),
      element("span", { class: "hint" }, notes.join(" · ")),
      ...(line.filter((each) => each !== null).length > 1 ? [sparkline(line)] : []));
    return element("li", { "data-tile": name }, link);
  }));
}

// With what the numbers are compared, and over how many targets; said once for all of them.
function comparisonNote(data, shown) {
  const known = knowledge(data, shown);
  const before = data.days.length - 2;
  const notes = [];
  if (!known.count) return say("tile.none_shown");
  const both = before < 0 ? null : compared(data, shown, "tasks")[before];
  if (before < 0) notes.push(say("tile.first_day"));
  else if (both === null) notes.push(say("tile.not_compared", { day: data.days[before] }));
  else notes.push(say("tile.compared", { day: data.days[before], known: both.targets, count: known.count }));
  if (known.missing > known.never) notes.push(say("tile.partly", { missing: known.missing - known.never, count: known.count }));
  if (known.never) notes.push(say("tile.never", { count: known.never }));
  return sentences(notes);
}

function drawHistory(section, data, shown, by) {
  const days = knownByDay(data, shown);
  const rows = historyRows(data, shown, by);
  const last = lastKnown(data, shown);
  const values = [...new Set(rows.map((row) => row.value))];
  const colours = by === "status" ? statusColours() : coloursOf(values.filter((value) => value !== null).sort());
  const labelOf = ({ value, isOther }) => (isOther ? say("chart.other") : value || say("chart.empty"));
  const linkOf = (row) => {
    if (row.isOther || !row.value) return null;
    const place = { view: "tasks", day: row.day };
    if (by === "region") return to({ ...place, region: row.value });
    if (by !== "target") return to({ ...place, find: `tasks?${new URLSearchParams({ [by]: row.value })}` });
    const { project_id, region } = data.targets.find((target) => target.label === row.value);
    return to({ ...place, project: project_id, region });
  };
  const host = section.querySelector(".chart");
  const isEmpty = !rows.some((row) => row.tasks) && !last.some(Boolean);
  section.classList.toggle("empty", isEmpty);
  host.setAttribute("aria-label", say("section.history"));
  if (isEmpty) return host.replaceChildren(element("p", { class: "cover" }, coverNote("state", knowledge(data, shown), 0)));
  drawBars(host, { rows, last, days, colours, labelOf, linkOf });
  host.append(legendOf([
    ...values.map((value) => [value === null ? "word-rest" : colours.get(value), labelOf({ value, isOther: value === null })]),
    ...(last.some(Boolean) ? [["hatched", say("chart.last_known")]] : []),
  ]));
  const text = days.flatMap(({ day, complete, expected }, i) => [
    ...rows.filter((row) => row.day === day && row.tasks).map((row) => [row.day, labelOf(row), row.tasks, complete, expected]),
    ...(last[i] ? [[day, say("chart.last_known"), last[i], complete, expected]] : [])]);
  section.table ??= new DataTable(section.querySelector("details .table"), "numbers", [["day", "day_tasks"], ["value", "text"], ["tasks", "number"],
    ["complete", "number"], ["expected", "number"]].map(([name, kind]) => ({ name, kind, label: () => say(name === "value" ? `chart.${asked.by}` : `chart.${name}`) })));
  section.table.show(text, say("section.history"), null);
}

// Tasks of the page that are listed and shown, by their places.
function listedTasks(data, shown, wanted = () => true) {
  const { tasks } = data.lives;
  return tasks.task_id.flatMap((_, i) => (tasks.is_current[i] && shown.has(tasks.target[i]) && wanted(tasks, i) ? [i] : []));
}

// The lists of the overview by name: how many there are, a note, rows of [link, text] as far as the page holds them, and
// the place that has all of them.
function listsOf(data, shown, now, isDated) {
  const { tasks } = data.lives;
  const labels = (targets) => listed([targets].flat().map((target) => data.targets[target].label));
  const ofTable = (name, isWanted, row) => {
    const { columns } = data.tables[name];
    const rows = rowsOf(name, shown).map((values) => Object.fromEntries(columns.map((column, i) => [column.name, values[i]]))).filter(isWanted);
    return rows.map((values) => [() => element("a", { href: to({ view: name, find: `${name}?${new URLSearchParams({ search: values.destination ?? "" })}` }) }, values.destination ?? "…"), row(values)]);
  };
  const ofTasks = (wanted, text, order = () => 0) => listedTasks(data, shown, wanted).sort(order).map((i) => [() => taskLink(data, i), text(i)]);
  const hours = loadRows(data, shown).filter((row) => row.at + 3600 > now);
  const most = busiest(hours);
  const soonest = (a, b) => (tasks.end_time[a] < now) - (tasks.end_time[b] < now) || tasks.end_time[a] - tasks.end_time[b];
  const moment = (seconds) => (seconds === null ? say("life.always") : time(seconds));
  const begins = (row) => (row.timing === "now" && !isDated ? word("word", "now") : moment(row.overlap_start_time));
  const soon = tally(data, shown, "ends_soon");
  const ending = listedTasks(data, shown, (all, i) => all.ends[i] === "within_24_hours");
  // said only where the page holds all of them
  const alone = ending.length === soon ? ending.filter((i) => tasks.no_backup[i]).length : 0;
  const count = tally(data, shown, "conflicts");
  return {
    conflicts: { count, note: say("needs.conflicts_note", { count: number(count) }), place: places.conflicts,
      rows: ofTable("conflicts", (row) => row.timing !== "over", (row) => say("needs.conflict", { count: row.task_count, when: begins(row) })) },
    ends_soon: { count: soon, place: { view: "tasks", find: "tasks?ends=within_24_hours" },
      note: sentences([say("needs.ends_note", { count: number(soon) }), alone ? say("needs.ends_alone", { count: number(alone) }) : ""]),
      rows: ofTasks((all, i) => all.ends[i] === "within_24_hours", (i) => (isDated ? time(tasks.end_time[i]) : relative(tasks.end_time[i] - now)), soonest) },
    busiest: { count: hours.length ? most?.tasks ?? 0 : null, note: most ? peakText(hours, most) : "", rows: [], place: { view: "schedule" } },
    // a task has a row per field that changed
    // rows, of which a task that changed in several fields has several
    changes: { count: shown.size < data.targets.length ? rowsOf("changes", shown).length : data.tables.changes.total,
      note: changesText(shown), place: places.changes, covers: "changes",
      rows: ofTable("changes", () => true, (row) => [word("word", row.change), row.field, labels(row.target)].filter(Boolean).join(" · ")) },
    past_end: { count: tally(data, shown, "past_end"), note: "", place: places.past_end,
      rows: ofTasks((all, i) => all.ends[i] === "past_end", (i) => time(tasks.end_time[i])) },
    no_backup: { count: tally(data, shown, "no_backup"), note: "", place: places.no_backup, rows: ofTasks((all, i) => all.no_backup[i], (i) => tasks.status[i] ?? "") },
  };
}

const onScreen = { conflicts: 3, ends_soon: 3, busiest: 0 };
const onPaper = { changes: 10, conflicts: 10, past_end: 10, no_backup: 10 };

// Draws the first rows of some lists; those that are empty are one line.
function drawLists(host, data, shown, lists, wanted) {
  const none = Object.keys(wanted).filter((name) => lists[name].count === 0);
  const full = Object.entries(wanted).filter(([name]) => lists[name].count);
  host.replaceChildren(...full.map(([name, rows]) => element("div", {},
    element("h3", {}, element("a", { href: to(lists[name].place) }, say(`needs.${name}`))),
    element("p", { class: "hint" }, lists[name].note),
    element("ul", { class: "short" }, ...lists[name].rows.slice(0, rows).map(([link, text]) => element("li", {}, link(), element("small", {}, text)))),
    wanted === onPaper && lists[name].count > rows ? element("p", { class: "hint" }, say("table.more", { count: number(lists[name].count - rows) })) : "")));
  for (const covers of new Set(none.map((name) => lists[name].covers ?? "state"))) {
    const names = none.filter((name) => (lists[name].covers ?? "state") === covers).map((name) => say(`needs.${name}`));
    host.append(element("p", { class: "cover" }, say("needs.none", { names: listed(names), cover: coverNote(covers, knowledge(data, shown), 0) })));
  }
}

const busiest = (hours) => hours.reduce((best, row) => (row.tasks > (best?.tasks ?? 0) ? row : best), null);

// The busiest hour of those that are not over yet, and by how much it is above the usual one.
function peakText(hours, most) {
  const usual = middle(hours.map((row) => row.tasks));
  const values = { when: time(most.at), timezone: speech.timezone, count: number(most.tasks) };
  if (!usual || most.tasks === usual) return say("week.peak", values);
  return say("week.peak_above", { ...values, above: share(most.tasks - usual, usual) });
}
