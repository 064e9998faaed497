// The first five of each list, for the printed page that is passed on.
// Not here: the whole lists (table.js), what is on paper (page.css).

const BRIEF_ROWS = 5;
const BRIEF_TABLES = ["changes", "conflicts", "expiring", "no_backup"];

function briefLine(data, columns, row) {
  const value = Object.fromEntries(columns.map((column, i) => [column.name, row[i]]));
  const targets = listed([value.target ?? value.target_keys ?? []].flat().map((target) => data.targets[target].label));
  const when = [value.overlap_start_time, value.end_time].find((seconds) => seconds !== null && seconds !== undefined);
  const what = [word("word", value.change ?? value.timing ?? value.ends ?? null), value.field, when === undefined ? null : time(when)];
  return [value.destination, targets, ...what].filter(Boolean).join(" · ");
}

function drawBrief(host, data, shown) {
  host.lastElementChild.replaceChildren(...BRIEF_TABLES.map((name) => {
    const { columns, values, total, covers } = data.tables[name];
    const rows = rowsOf(name, shown);
    const lines = rows.slice(0, BRIEF_ROWS).map((row) => element("li", {}, briefLine(data, columns, row)));
    const rest = Math.max(0, Math.max(rows.length, shown.size === data.targets.length ? total : 0) - lines.length);
    return element("div", {}, element("h3", {}, say(`section.${name}`)),
      lines.length ? element("ul", {}, ...lines) : element("p", { class: "cover" }, coverNote(covers, knowledge(shown), 0, values[0].length < total)),
      rest ? element("p", { class: "hint" }, say("table.more", { count: number(rest) })) : "");
  }));
}
