// Numbers of the shown targets: what is known on each day, and what changed over what is known on two days.
// Not here: their look (marks.js, overview.js). `shown` is the set of the positions of targets.

const MANY_VALUES = 6;
const NAMES_SHOWN = 3;

// How much of what the filter shows is known: targets that are expected, not complete, never complete, without known
// changes.
function knowledge(data, shown) {
  const expected = [...shown].map((i) => data.targets[i]).filter((target) => target.is_expected);
  return {
    count: expected.length,
    missing: expected.filter((target) => target.coverage !== "complete").length,
    never: expected.filter((target) => target.last_complete_date === null).length,
    unchanged: expected.filter((target) => !target.has_known_changes).length,
  };
}

// Per day: how many of the shown targets were expected and complete, whether there was a run, who is missing.
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
      missing: listed(missing.length > names.length ? [...names, "…"] : names),
    };
  });
}

const valuesOf = {
  status: (data, status) => status,
  source_type: (data, status, type) => type,
  region: (data, status, type, target) => data.targets[target].region,
  target: (data, status, type, target) => data.targets[target].label,
};

// Known tasks per day and value of `by`, the largest value first: {day, value, tasks}; no row where nothing is known.
// What is beyond the colours is summed as `isOther`, and so is the value null: tasks for which the service gave none.
function historyRows(data, shown, by) {
  const sums = new Map();
  const inAll = new Map();
  for (const [target, status, type, days, counts] of data.counts) {
    if (!shown.has(target)) continue;
    const value = valuesOf[by](data, status, type, target) ?? "";
    if (!sums.has(value)) sums.set(value, new Map());
    days.forEach((day, i) => {
      sums.get(value).set(day, (sums.get(value).get(day) ?? 0) + counts[i]);
      inAll.set(value, (inAll.get(value) ?? 0) + counts[i]);
    });
  }
  const ranked = [...inAll.keys()].sort((a, b) => inAll.get(b) - inAll.get(a) || (a < b ? -1 : 1));
  const kept = ranked.length > MANY_VALUES ? ranked.slice(0, MANY_VALUES - 1) : ranked;
  const others = ranked.slice(kept.length);
  return knownByDay(data, shown).flatMap(({ day, complete }, i) => {
    if (complete === 0) return [];
    const tasks = (value) => sums.get(value).get(i) ?? 0;
    const rows = kept.map((value) => ({ day, value, tasks: tasks(value) }));
    const rest = others.reduce((sum, value) => sum + tasks(value), 0);
    return others.length ? [...rows, { day, value: null, tasks: rest, isOther: true }] : rows;
  });
}

// Per day: tasks that the targets which are not known on it had when they were last known.
function lastKnown(data, shown) {
  const counts = new Map([...shown].map((target) => [target, new Map()]));
  for (const [target, , , days, numbers] of data.counts) {
    const of = counts.get(target);
    if (of) days.forEach((day, i) => of.set(day, (of.get(day) ?? 0) + numbers[i]));
  }
  const before = new Map();
  return data.days.map((_, i) => [...shown].reduce((tasks, target) => {
    const letter = data.coverage[target][i];
    if (letter === "c") before.set(target, counts.get(target).get(i) ?? 0);
    return "c.".includes(letter) ? tasks : tasks + (before.get(target) ?? 0);
  }, 0));
}

// Per day: how a number of the last day differs from that day, over the targets that are known on both, and how many
// these are; null where there are none. What one day does not know is left out of both sides.
function compared(data, shown, name) {
  const rows = name === "tasks" ? data.counts.map(([target, , , days, counts]) => [[target], days, counts]) : data.history[name];
  const days = rows.map(([targets, places, counts]) => [targets, new Map(places.map((day, i) => [day, counts[i]]))]);
  const last = data.days.length - 1;
  const isKnown = (target, day) => data.coverage[target][day] === "c"
    && (name !== "changes" || data.coverage[target].lastIndexOf("c", day - 1) >= 0 && day > 0);
  const now = [...data.targets.keys()].filter((target) => isKnown(target, last));
  return data.days.map((_, day) => {
    const both = new Set(now.filter((target) => isKnown(target, day)));
    const targets = [...both].filter((target) => shown.has(target)).length;
    if (!targets) return null;
    const change = days.reduce((sum, [of, at]) => (of.some((target) => shown.has(target)) && of.every((target) => both.has(target))
      ? sum + (at.get(last) ?? 0) - (at.get(day) ?? 0) : sum), 0);
    return { change, targets };
  });
}

// Tasks scheduled in each hour of the coming days, {day, hour, at, tasks}, in the page's time zone; none where nothing is
// known of them. An hour of UTC has the name of the hour of the zone in which it begins; of one that comes twice as
// clocks go back, the larger number is shown.
function loadRows(data, shown) {
  const known = [...shown].map((target) => data.targets[target]);
  if (!known.some((target) => target.is_expected && target.task_count !== null)) return [];
  const sums = new Array(data.load.hours).fill(0);
  for (const [targets, hours, counts] of data.load.targets) {
    if (targets.every((target) => shown.has(target))) hours.forEach((hour, i) => { sums[hour] += counts[i]; });
  }
  const rows = new Map();
  sums.forEach((tasks, hour) => {
    const at = data.load.begins_at + hour * 3600;
    const moment = time(at).slice(0, 13);
    if (tasks >= (rows.get(moment)?.tasks ?? 0)) rows.set(moment, { day: moment.slice(0, 10), hour: Number(moment.slice(11)), at, tasks });
  });
  return [...rows.values()];
}

const middle = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
