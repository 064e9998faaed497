// The 24 hours from the capture: how many tasks each has, and which.
// Not here: the table itself (table.js), what is asked (page.js).

const ONLY = ["no_backup", "shares_source", "in_conflict"];

function tonightColumns(data) {
  return Object.fromEntries(data.tables.tonight.columns.map((column, i) => [column.name, i]));
}

// The rows of the table that have all that is asked for; an open start or end covers every hour before or after.
function tonightRows(data, rows, only, hour) {
  const at = tonightColumns(data);
  const begin = data.tonight.begins_at + (hour ?? 0) * 3600;
  const end = hour === null ? begin + data.tonight.hours * 3600 : begin + 3600;
  return rows.filter((row) => only.every((name) => row[at[name]])
    && (row[at.start_time] ?? -Infinity) < end && (row[at.end_time] ?? Infinity) > begin);
}

function drawHours(host, data, rows, asked, onHour) {
  const counts = Array.from({ length: data.tonight.hours }, (_, hour) => tonightRows(data, rows, asked.only, hour).length);
  const most = Math.max(1, ...counts);
  host.replaceChildren(...counts.map((tasks, hour) => {
    const from = time(data.tonight.begins_at + hour * 3600);
    const to = time(data.tonight.begins_at + (hour + 1) * 3600);
    const button = element("button", {
      type: "button", "aria-pressed": String(asked.hour === hour),
      "aria-label": say("tonight.hour", { from, to, count: number(tasks) }),
      onclick: () => onHour(asked.hour === hour ? null : hour),
    }, element("span", {}, from.slice(11)), element("strong", {}, number(tasks)));
    button.style.setProperty("--share", String(tasks / most));
    return element("li", {}, button);
  }));
}
