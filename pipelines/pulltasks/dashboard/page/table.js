// One table: sorted by a click on its head, searched, shown some rows at a time, copied whole as CSV.
// Not here: which rows there are (page.js).

// Rows at a time; fewer where each is a card of its own, more on paper, which cannot be turned.
const paper = { isPrinting: false, rows: 500 };
const rowsShown = () => (paper.isPrinting ? paper.rows : matchMedia("(max-width: 40rem)").matches ? 5 : 20);
// Columns whose values are few: each is a choice above the table.
const FACETS = new Set(["status", "ends", "no_backup", "in_conflict", "shares_source", "source_type", "app_name", "host", "change", "field",
  "timing", "rule", "coverage", "verdict_reason"]);
// Columns that a narrow screen leaves out.
const MINOR = new Set(["source_type", "previous_complete_date", "tasks_enabled", "requests", "duration_seconds", "days_expected_30"]);
const MOST_CHOICES = 200;
const LIST_SHOWN = 3;
const ID_SHOWN = 8;

const kinds = {
  text: { show: (value) => value ?? "" },
  address: { show: (value) => value ?? "", css: "address" },
  id: { show: (value) => value ?? "", css: "id", node: (value) => idNode(value) },
  status: { show: (value) => value ?? "", node: (value) => element("span", { class: `tag ${statusColours().get(value ?? "") ?? ""}` }, value ?? "") },
  word: { show: (value) => word("word", value) ?? "", css: "day" },
  coverage: { show: (value) => word("coverage", value) ?? "", node: (value) => element("span", { class: `tag ${value ?? ""}` }, word("coverage", value) ?? "") },
  reason: { show: (value) => word("reason", value) ?? "" },
  reasons: { show: (value) => (value ?? []).map((each) => word("reason", each)).join("\n") },
  words: { show: (value) => (value ?? []).map((each) => word("coverage", each)).join(", ") },
  list: { show: (value) => (value ?? []).join("\n"), node: (values) => listNode(values) },
  ids: { show: (value) => (value ?? []).join("\n"), css: "id", node: (values) => listNode(values, (value) => idNode(value)) },
  notes: { show: (values) => listed(values.map((value) => say(`note.${value}`))) },
  flag: { show: (value) => (value === null ? "" : say(value ? "table.yes" : "table.no")) },
  number: { show: (value) => (value === null ? "" : number(value)), raw: (value) => value ?? "", css: "number" },
  day_tasks: { show: (value) => value, css: "day", node: (value) => element("a", { href: to({ view: "tasks", day: value }) }, value) },
  day: { show: (value) => value ?? "", css: "day" },
  // broken between day and hour only
  time: { show: (value) => (value === null ? "" : time(value)), csv: (value) => (value === null ? "" : new Date(value * 1000).toISOString()),
    node: (value) => (value === null ? "" : element("span", {}, ...time(value).split(" ").flatMap((part) => [element("span", { class: "day" }, part), " "]))) },
};

// An id as short as it can be told apart, or whole; for the pointer and for a search always whole. `link` leads to it.
function idNode(value, { isWhole = false, link = null } = {}) {
  if (value === null || value === undefined) return document.createTextNode("");
  const isShort = !isWhole && value.length > ID_SHOWN;
  const text = link ?? document.createTextNode(isShort ? `${value.slice(0, ID_SHOWN)}…` : value);
  if (link) link.textContent = isShort ? `${value.slice(0, ID_SHOWN)}…` : value;
  const button = element("button", {
    type: "button", class: "copy", title: value, "aria-label": say("table.copy_id", { id: value }),
    onclick: async () => { button.dataset.copied = String(await copyText(value)); },
  });
  return element("span", { title: value }, text, " ", button);
}

const isIdle = (value) => value === null || value === undefined || value === "" || value === false || (Array.isArray(value) && !value.length);

function listNode(values, node = (value) => document.createTextNode(value)) {
  if (!values || values.length === 0) return document.createTextNode("");
  if (values.length === 1) return node(values[0]);
  const items = values.slice(0, LIST_SHOWN).map((value) => element("li", {}, node(value)));
  if (values.length > LIST_SHOWN) items.push(element("li", {}, say("table.more", { count: values.length - LIST_SHOWN })));
  return element("ul", {}, ...items);
}

// A cell that a spreadsheet would take for a formula gets a quote in front, which keeps it a text.
function csvCell(column, value) {
  if (column.kind === "number") return String(value ?? "");
  let text = String((kinds[column.kind].csv ?? kinds[column.kind].show)(value));
  if (/^[=+\-@\t\r\n]/.test(text)) text = `'${text}`;
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // A page from disk may not be let at the clipboard; what is selected may still be copied.
    const area = element("textarea", { readonly: true, class: "unseen" });
    area.value = text;
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    return copied;
  }
}

// `columns`: [{name, kind, label, description, isUnseen}], of which unseen ones are chosen by and copied; rows are arrays
// in the order of the columns; `query` returns their SQL. `onAsk` is told what is chosen and searched for, to keep it;
// without it there is nothing to choose.
class DataTable {
  constructor(host, name, columns, { query = null, onAsk = null } = {}) {
    Object.assign(this, { host, name, columns, query, onAsk, rows: [], found: [], first: 0, order: null, search: "", chosen: {} });
    this.facets = onAsk ? columns.flatMap((column, index) => (FACETS.has(column.name) ? [this.facet(column, index)] : [])) : [];
    this.note = element("output", { class: "hint" });
    this.body = element("tbody");
    this.heads = columns.map((column, index) =>
      element("th", { scope: "col", class: this.cssOf(column) },
        element("button", { type: "button", title: column.description, onclick: () => this.sortBy(index) })));
    this.searchBox = element("input", { type: "search", oninput: () => { this.search = this.searchBox.value.trim().toLowerCase(); this.asks(); } });
    this.copyButton = element("button", { type: "button", onclick: () => this.copy(this.csv(), "table.copied", number(this.found.length)) });
    this.sqlButton = element("button", { type: "button", hidden: query === null, onclick: () => this.copy(this.query(), this.search ? "table.copied_sql_all" : "table.copied_sql") });
    this.back = element("button", { type: "button", onclick: () => this.asks(this.first - rowsShown()) }, "‹");
    this.forth = element("button", { type: "button", onclick: () => this.asks(this.first + rowsShown()) }, "›");
    this.range = element("span", { "aria-live": "polite" });
    this.table = element("table", {}, element("thead", {}, element("tr", {}, ...this.heads)), this.body);
    host.replaceChildren(
      element("div", { class: "tools" },
        this.searchBox, ...this.facets.map(({ label }) => label), this.copyButton, this.sqlButton, this.note),
      this.table,
      element("div", { class: "tools pager" }, this.back, this.range, this.forth));
  }

  cssOf(column) {
    return [kinds[column.kind].css, MINOR.has(column.name) ? "minor" : null].filter(Boolean).join(" ") || null;
  }

  facet(column, index) {
    const [select, text] = [element("select"), element("span")];
    select.addEventListener("change", () => {
      this.chosen = Object.fromEntries(Object.entries({ ...this.chosen, [column.name]: select.value }).filter(([, value]) => value));
      this.asks();
    });
    return { column, index, select, text, label: element("label", { class: "facet" }, text, " ", select) };
  }

  // What stands in the rows, each with how many; the value that is chosen stands there even where no row has it.
  fillFacets() {
    for (const { column, index, select, text, label } of this.facets) {
      const counts = new Map();
      for (const row of this.rows) if (!isIdle(row[index])) counts.set(String(row[index]), (counts.get(String(row[index])) ?? 0) + 1);
      const chosen = this.chosen[column.name] ?? "";
      if (chosen && !counts.has(chosen)) counts.set(chosen, 0);
      const values = [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)).slice(0, MOST_CHOICES);
      // a choice that would change nothing is not offered
      label.hidden = !chosen && (values.length === 0 || (values.length === 1 && values[0][1] === this.rows.length));
      text.textContent = column.label();
      select.replaceChildren(element("option", { value: "" }, say("filter.all")), ...values.map(([value, count]) =>
        element("option", { value }, `${kinds[column.kind].show(column.kind === "flag" ? value === "true" : value)} (${number(count)})`)));
      select.value = chosen;
    }
  }

  asks(first = 0) {
    const sort = this.order ? `${this.order.step < 0 ? "-" : ""}${this.columns[this.order.index].name}` : "";
    Object.assign(this, { first });
    this.onAsk?.(Object.fromEntries(Object.entries({ ...this.chosen, search: this.search, sort, from: first || "" }).filter(([, value]) => value)));
    this.arrange();
  }

  // A column that has nothing, or on each row the day of all that is shown, is left out.
  show(rows, label, day = data.build.through_date) {
    Object.assign(this, { rows, label });
    this.idle = this.columns.map(({ kind }, i) => rows.every((row) => isIdle(row[i]) || (kind === "day" && row[i] === day)));
    this.arrange();
  }

  sortBy(index) {
    this.order = { index, step: this.order?.index === index && this.order.step === 1 ? -1 : 1 };
    this.asks();
  }

  // What the address asks for stands in the boxes as well.
  lookFor({ search = "", sort = "", from = 0, ...chosen }) {
    const index = this.columns.findIndex(({ name }) => name === sort.replace("-", ""));
    this.order = index < 0 ? null : { index, step: sort.startsWith("-") ? -1 : 1 };
    this.first = Math.max(0, Number(from) || 0);
    if (this.search !== search.trim().toLowerCase()) this.searchBox.value = search;
    this.search = search.trim().toLowerCase();
    this.chosen = Object.fromEntries(Object.entries(chosen).filter(([name]) => this.facets.some(({ column }) => column.name === name)));
  }

  arrange() {
    const wanted = this.search;
    const chosen = this.facets.filter(({ column }) => this.chosen[column.name]);
    this.found = this.rows.filter((row) => chosen.every(({ column, index }) => String(row[index]) === this.chosen[column.name])
      && (!wanted || this.columns.some((column, i) => String(kinds[column.kind].show(row[i])).toLowerCase().includes(wanted))));
    if (this.order) {
      const { index, step } = this.order;
      const column = this.columns[index];
      const isCounted = column.kind === "number" || column.kind === "time";
      const key = (row) => (row[index] === null || isCounted ? row[index] : String(kinds[column.kind].show(row[index])));
      const collator = new Intl.Collator(speech.language, { numeric: true });
      // What is not known stands last, whichever way the rest is sorted.
      this.found.sort((one, other) => {
        const [a, b] = [key(one), key(other)];
        if (a === null || b === null) return (a === null) - (b === null);
        return step * (isCounted ? a - b : collator.compare(a, b));
      });
    }
    this.draw(this.first < this.found.length ? this.first : 0);
  }

  draw(first = this.first) {
    this.first = first;
    const last = Math.min(first + rowsShown(), this.found.length);
    for (const name of ["placeholder", "aria-label"]) this.searchBox.setAttribute(name, say("table.search"));
    this.copyButton.textContent = say("table.copy");
    this.sqlButton.textContent = say("table.copy_sql");
    this.table.setAttribute("aria-label", this.label ?? "");
    this.sqlButton.title = this.query?.() ?? "";
    this.note.textContent = "";
    const isHidden = this.columns.map((column, i) => column.isUnseen || this.idle[i]);
    this.columns.forEach((column, i) => {
      this.heads[i].hidden = isHidden[i];
      const sorted = this.order?.index === i ? this.order.step : 0;
      this.heads[i].firstChild.textContent = `${column.label()}${sorted ? (sorted > 0 ? " ▲" : " ▼") : ""}`;
      this.heads[i].setAttribute("aria-sort", sorted ? (sorted > 0 ? "ascending" : "descending") : "none");
    });
    this.body.replaceChildren(...this.found.slice(first, last).map((row) =>
      element("tr", {}, ...this.columns.map((column, i) => {
        const kind = kinds[column.kind];
        return element("td", { class: this.cssOf(column), "data-label": column.label(), hidden: isHidden[i] }, kind.node ? kind.node(row[i], row, this.columns) : kind.show(row[i]));
      }))));
    const range = this.found.length ? say("table.rows", { first: number(first + 1), last: number(last), count: number(this.found.length) }) : say("table.no_rows");
    this.range.textContent = this.found.length < this.rows.length ? `${range} ${say("table.of_all", { count: number(this.rows.length) })}` : range;
    this.host.parentElement?.classList.toggle("empty", this.rows.length === 0);
    for (const tools of [this.back, this.forth]) tools.hidden = this.found.length <= rowsShown();
    this.fillFacets();
    this.back.disabled = first === 0;
    this.forth.disabled = last >= this.found.length;
    this.back.setAttribute("aria-label", say("table.previous"));
    this.forth.setAttribute("aria-label", say("table.next"));
  }

  csv() {
    const lines = [this.columns.map((column) => column.name), ...this.found.map((row) =>
      this.columns.map((column, i) => csvCell(column, row[i])))];
    return lines.map((cells) => cells.join(",")).join("\r\n") + "\r\n";
  }

  async copy(text, said, count = "") {
    this.note.textContent = say(await copyText(text) ? said : "table.not_copied", { count });
  }
}
