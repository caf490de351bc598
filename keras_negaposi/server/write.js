"use strict";
// Suggests pages while one writes: what is before the cursor is A. A newer request cancels the one before it.

const WAIT_MS = 250, LONGEST = 1000, COUNT = 8, FORMAT_KEY = "keras_negaposi:link-format";
const WORDS = {
  en: {
    title: "Write", all: "All links", format: "Link as", text: "Text", found: "Pages to link",
    hint: "Pages that fit what is before the cursor. Alt+1 to Alt+8 copy a link.",
    empty: "Write a sentence, and pages to link appear here.", none: "No page fits.",
    copy: "Copy link", copied: "Copied: ", failed: "No suggestions: ", blocked: "The browser does not allow copying: ",
  },
  ja: {
    title: "書く", all: "すべてのリンク", format: "リンクの形式", text: "本文", found: "リンクする候補",
    hint: "カーソルより前の文章に続きそうなページです。Alt+1〜Alt+8でリンクをコピーします。",
    empty: "文章を書くと、ここにリンクする候補が出ます。", none: "合うページがありません。",
    copy: "リンクをコピー", copied: "コピーしました: ", failed: "候補を得られません: ", blocked: "ブラウザがコピーを許しません: ",
  },
};
const language = navigator.languages.map(tag => tag.slice(0, 2)).find(tag => tag in WORDS) || "en";
const words = WORDS[language];
const LINKS = {
  wiki: ({note}) => `[[${note}]]`,
  scrapbox: ({scrapbox}) => scrapbox,
  markdown: ({note}) => `[${note}](${encodeURI(note)}.md)`,
};

const [text, format, found, empty, status] =
  ["text", "format", "found", "empty", "status"].map(id => document.getElementById(id));
let suggestions = [], timer = 0, asking = null, asked = "";

function before() {
  return text.value.slice(Math.max(0, text.selectionStart - LONGEST), text.selectionStart);
}

async function ask() {
  const value = before();
  if (value === asked) return;
  asked = value;
  asking?.abort();
  if (!value.trim()) return show([], words.empty);
  asking = new AbortController();
  try {
    const answer = await fetch("suggest", {
      method: "POST", signal: asking.signal, headers: {"Content-Type": "application/json"},
      body: JSON.stringify({text: value, top: COUNT, one_per_note: true}),
    });
    const result = await answer.json();
    if (!answer.ok) throw new Error(result.error);
    status.textContent = "";
    show(result.suggestions, words.none);
  } catch (error) {
    if (error.name === "AbortError") return;
    asked = "";
    status.textContent = words.failed + error.message;
  }
}

function show(list, otherwise) {
  suggestions = list;
  empty.hidden = list.length > 0;
  empty.textContent = otherwise;
  found.replaceChildren(...list.map(item));
}

function item(suggestion, position) {
  const element = document.createElement("li"), button = document.createElement("button");
  const title = document.createElement("strong"), page = document.createElement("p");
  title.textContent = suggestion.note;
  page.textContent = suggestion.text.slice(0, 160);
  title.lang = page.lang = "ja";
  button.type = "button";
  button.textContent = words.copy;
  button.setAttribute("aria-label", `${words.copy}: ${suggestion.note}`);
  button.addEventListener("click", () => copy(position));
  element.append(title, " ", button, page);
  return element;
}

async function copy(position) {
  const link = LINKS[format.value](suggestions[position]);
  try {
    await navigator.clipboard.writeText(link);
    status.textContent = words.copied + link;
  } catch {
    status.textContent = words.blocked + link;
  }
}

function soon() {
  clearTimeout(timer);
  timer = setTimeout(ask, WAIT_MS);
}

document.documentElement.lang = language;
document.title = words.title;
for (const element of document.querySelectorAll("[data-word]")) element.textContent = words[element.dataset.word];
try { format.value = localStorage.getItem(FORMAT_KEY) || "wiki"; } catch { /* no storage: the first format */ }
format.addEventListener("change", () => {
  try { localStorage.setItem(FORMAT_KEY, format.value); } catch { /* not remembered */ }
});
text.addEventListener("input", event => event.isComposing || soon());
text.addEventListener("compositionend", soon);
document.addEventListener("selectionchange", () => document.activeElement === text && soon());
document.addEventListener("keydown", event => {
  const position = Number(event.code.replace("Digit", "")) - 1;
  if (!event.altKey || !(position in suggestions)) return;
  event.preventDefault();
  copy(position);
});
