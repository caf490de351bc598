"use strict";
// The interface in the browser's language: Japanese or English, whichever it names first; words.json has both.

const LANGUAGE = navigator.languages.map(tag => tag.slice(0, 2).toLowerCase()).find(tag => tag === "ja" || tag === "en") || "en";
const WORDS = JSON.parse(document.getElementById("words").textContent)[LANGUAGE];

/** Returns a text of the interface; `{name}` in it becomes `values.name`: a number with separators, or a list of texts. */
function word(key, values = {}) {
  return WORDS[key].replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name];
    if (Array.isArray(value)) return value.map(each => WORDS[each]).join(", ");
    return typeof value === "number" ? value.toLocaleString(LANGUAGE) : value;
  });
}

/** Fills in the elements of page.html that name a text in `data-word`, `data-word-label` or `data-word-placeholder`. */
function fillInWords() {
  document.documentElement.lang = LANGUAGE;
  document.title = word("title");
  for (const element of document.querySelectorAll("[data-word]")) element.textContent = word(element.dataset.word);
  for (const element of document.querySelectorAll("[data-word-label]")) {
    element.setAttribute("aria-label", word(element.dataset.wordLabel));
    element.placeholder = word(element.dataset.wordPlaceholder);
  }
}
