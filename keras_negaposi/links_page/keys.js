"use strict";
// The keyboard: every action has a button as well.

const KEYS = [
  [["j", "ArrowDown"], "key_next", page => page.move(1)],
  [["k", "ArrowUp"], "key_previous", page => page.move(-1)],
  [["a"], "key_accept", page => page.act("accept")],
  [["r"], "key_reject", page => page.act("reject")],
  [["c"], "key_copy", page => page.act("copy")],
  [["w"], "key_why", page => page.act("why")],
  [["u"], "key_undo", page => page.undo()],
  [["/"], "key_search", () => document.getElementById("query").focus()],
  [["?"], "key_help", () => document.getElementById("keys").showModal()],
];
const SIGNS = {ArrowDown: "↓", ArrowUp: "↑"};

function listenToKeys(page) {
  for (const [keys, meaning] of KEYS) {
    const term = add(document.getElementById("keys-list"), "dt");
    for (const key of keys) add(term, "kbd", SIGNS[key] || key);
    add(document.getElementById("keys-list"), "dd", word(meaning));
  }
  document.addEventListener("keydown", event => {
    const field = event.target.closest("input, select, textarea, dialog");
    if (field?.id === "query" && event.key === "Escape") return field.blur();
    if (field || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const found = KEYS.find(([keys]) => keys.includes(event.key) || keys.includes(event.key.toLowerCase()));
    if (!found) return;
    event.preventDefault();
    found[2](page);
  });
}
