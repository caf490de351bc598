"use strict";
// The controls above the list. What was chosen is remembered, except the search.

const SETTINGS = "keras_negaposi:settings", TYPING_PAUSE_MS = 120;

function connectControls(page) {
  const saved = savedSettings(), orders = page.wiki.manifest.threshold === null ? ["certain", "note"] : ORDERS;
  addChips(page);
  fillSelect("order", orders, "order_", orders.includes(saved.order) ? saved.order : "certain", value => {
    page.state.order = value;
    page.refresh();
  });
  fillSelect("format", Object.keys(FORMATS), "format_", saved.format);
  page.state.order = document.getElementById("order").value;

  let waiting = 0;
  document.getElementById("query").addEventListener("input", event => {
    clearTimeout(waiting);
    waiting = setTimeout(() => page.search(event.target.value), TYPING_PAUSE_MS);
  });
  document.getElementById("undo").addEventListener("click", () => page.undo());
  document.getElementById("help").addEventListener("click", () => document.getElementById("keys").showModal());
  connectFiles(page);
  listenToKeys(page);
}

function addChips(page) {
  for (const name of Object.keys(FILTERS)) {
    if (name === "alone" && !page.wiki.manifest.whole) continue;
    const label = add(document.getElementById("filter"), "label"), input = add(label, "input");
    Object.assign(input, {type: "radio", name: "filter", value: name, checked: name === page.state.filter});
    input.addEventListener("change", () => {
      page.state.filter = name;
      page.refresh();
    });
    add(label, "span", word("filter_" + name));
  }
}

function fillSelect(id, names, prefix, chosenName, changed) {
  const select = document.getElementById(id);
  for (const name of names) {
    const option = add(select, "option", word(prefix + name));
    option.value = name;
    option.selected = name === chosenName;
  }
  select.addEventListener("change", () => {
    saveSettings({...savedSettings(), [id]: select.value});
    changed?.(select.value);
  });
}

function savedSettings() {
  try { return JSON.parse(localStorage.getItem(SETTINGS)) || {}; } catch { return {}; }
}

function saveSettings(settings) {
  try { localStorage.setItem(SETTINGS, JSON.stringify(settings)); } catch { /* not remembered, then */ }
}

/** Export and import of decisions. */
function connectFiles(page) {
  const file = document.getElementById("file");
  document.getElementById("export").addEventListener("click", () => {
    const list = page.decisions.list, anchor = document.createElement("a");
    anchor.href = URL.createObjectURL(new Blob([decisionsToLines(list)], {type: "application/x-ndjson"}));
    anchor.download = "decisions.jsonl";
    anchor.click();
    setTimeout(() => URL.revokeObjectURL(anchor.href), 60_000);
    page.say(word("notice_exported", {count: list.length}));
  });
  document.getElementById("import").addEventListener("click", () => file.click());
  file.addEventListener("change", async () => {
    const [chosenFile] = file.files;
    if (!chosenFile) return;
    try {
      const count = await page.decisions.addLines(await chosenFile.text());
      page.refresh();
      page.say(word("notice_imported", {count}));
    } catch (error) {
      page.say(error.line ? word("notice_bad_line", {line: error.line}) : word("notice_not_saved", {text: error.message}));
    }
    file.value = "";
  });
}
