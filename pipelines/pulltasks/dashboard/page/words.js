// Texts, numbers, days and times as a reader sees them, in the language and the time zone of the page.
// Not here: which text stands where (page.html.j2), the texts themselves (words.toml).

const speech = { words: {}, language: "en", timezone: "UTC" };

function say(key, values = {}) {
  const found = Object.hasOwn(speech.words, key) ? speech.words[key][speech.language] : key;
  const text = typeof found === "string" ? found : found[String(values.count) === "1" ? "one" : "other"];
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

// How long until a moment, or since it.
function relative(seconds) {
  return say(seconds < 0 ? "age.ago" : "age.ahead", { age: age(Math.abs(seconds)) });
}

// A share of a whole as "61 %", or "0.2 %" where it is small.
function share(part, whole) {
  const percent = (100 * part) / whole;
  const text = part && percent < 0.1 ? "<0.1" : part < whole && percent > 99 ? ">99" : number(percent < 10 ? Math.round(percent * 10) / 10 : Math.round(percent));
  return say("unit.percent", { percent: text });
}

// A difference with its sign.
function signed(value) {
  return `${value > 0 ? "+" : value < 0 ? "−" : "±"}${number(Math.abs(value))}`;
}

// A word of the service or of a model: translated where the page knows it, as it is where it does not.
function word(group, text) {
  return text !== null && Object.hasOwn(speech.words, `${group}.${text}`) ? say(`${group}.${text}`) : text;
}

function sayAll(root) {
  for (const element of root.querySelectorAll("[data-say]")) {
    element.textContent = say(element.dataset.say, JSON.parse(element.dataset.values || "{}"));
  }
}

// Chinese has no blank between sentences, and a comma of its own in a list.
function sentences(all) {
  return all.filter(Boolean).join(speech.language === "zh" ? "" : " ");
}

function listed(names) {
  return names.join(speech.language === "zh" ? "、" : ", ");
}

const digits = { en: new Intl.NumberFormat("en"), zh: new Intl.NumberFormat("zh") };

function number(value) {
  return digits[speech.language].format(value);
}

const clocks = {};

function clock() {
  clocks[speech.timezone] ??= new Intl.DateTimeFormat("sv-SE", {
    timeZone: speech.timezone, year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit",
  });
  return clocks[speech.timezone];
}

// Seconds since 1970 as "2026-11-22 07:30" in the page's time zone.
function time(seconds) {
  return clock().format(new Date(seconds * 1000));
}

function age(seconds) {
  if (seconds < 5400) return say("age.minutes", { count: Math.max(0, Math.round(seconds / 60)) });
  if (seconds < 172800) return say("age.hours", { count: Math.round(seconds / 3600) });
  return say("age.days", { count: Math.floor(seconds / 86400) });
}

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}
