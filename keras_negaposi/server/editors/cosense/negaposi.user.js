// ==UserScript==
// @name         keras_negaposi: links while one writes
// @namespace    keras_negaposi
// @version      1
// @description  Shows pages to link while one writes in Cosense (Scrapbox); it asks a server of your own.
// @match        https://scrapbox.io/*
// @grant        GM_xmlhttpRequest
// @grant        GM_getValue
// @grant        GM_setValue
// @grant        GM_registerMenuCommand
// @grant        unsafeWindow
// @connect      127.0.0.1
// @connect      localhost
// @noframes
// ==/UserScript==
"use strict";

(() => {
  const WAIT_MS = 400, TIMEOUT_MS = 10_000, LONGEST = 1000, COUNT = 8;
  const SERVER = {key: "server", initial: "http://127.0.0.1:8010", label: "Address of the server"};
  const TOKEN = {key: "token", initial: "", label: "Token of the server (empty: none)"};
  const STYLE = "position:fixed;right:8px;bottom:8px;z-index:9999;width:300px;max-width:90vw;max-height:50vh;"
    + "overflow:auto;padding:8px;border:1px solid;border-radius:6px;font-size:13px;line-height:1.4;"
    + "color-scheme:light dark;background:Canvas;color:CanvasText";
  const setting = ({key, initial}) => GM_getValue(key, initial);
  let suggestions = [], timer = 0, asked = "", newest = 0;

  const panel = document.createElement("section");
  panel.id = "negaposi";
  panel.style.cssText = STYLE;
  panel.setAttribute("aria-label", "Pages to link");
  panel.hidden = true;
  document.body.append(panel);

  /** The page up to the end of the line that has the cursor; empty while nobody writes. */
  function written() {
    const lines = unsafeWindow.scrapbox?.Page?.lines, line = document.querySelector(".line.cursor-line");
    const position = lines && line ? lines.findIndex(({id}) => `L${id}` === line.id) : -1;
    return position < 0 ? "" : lines.slice(0, position + 1).map(({text}) => text).join("\n").slice(-LONGEST);
  }

  function ask() {
    const text = written();
    if (text === asked) return;
    asked = text;
    const number = ++newest;  // an answer to an older question is dropped
    if (!text.trim()) return show([]);
    const token = setting(TOKEN), headers = {"Content-Type": "application/json"};
    if (token) headers.Authorization = `Bearer ${token}`;
    GM_xmlhttpRequest({
      method: "POST", url: `${setting(SERVER).replace(/\/+$/, "")}/suggest`, headers, timeout: TIMEOUT_MS,
      data: JSON.stringify({text, top: COUNT + 1, one_per_note: true}),
      onload: ({status, responseText}) => number === newest && answered(status, responseText),
      onerror: () => number === newest && failed("the server does not answer"),
      ontimeout: () => number === newest && failed("the server does not answer in time"),
    });
  }

  function answered(status, body) {
    try {
      const answer = JSON.parse(body);
      if (status !== 200) return failed(answer.error);
      const own = unsafeWindow.scrapbox.Page.title;
      show(answer.suggestions.filter(({note}) => note !== own).slice(0, COUNT));
    } catch {
      failed(`no answer of keras_negaposi.serve (status ${status})`);
    }
  }

  function failed(why) {
    asked = "";  // the next key asks again
    show([]);
    panel.textContent = `No suggestions: ${why}`;
    panel.hidden = false;
  }

  function show(list) {
    suggestions = list;
    panel.hidden = list.length === 0;
    panel.replaceChildren(...list.map(item));
  }

  function item({note, text, scrapbox}, position) {
    const button = document.createElement("button"), name = document.createElement("strong");
    button.type = "button";
    button.lang = "ja";
    button.title = text.slice(0, 300);
    button.style.cssText = "display:block;width:100%;padding:4px;border:0;background:none;color:inherit;text-align:left";
    name.textContent = note;
    button.append(`${position + 1} `, name);
    button.addEventListener("mousedown", event => event.preventDefault());  // the cursor stays in the text
    button.addEventListener("click", () => insert(scrapbox));
    return button;
  }

  /** Writes at the cursor: Cosense takes what its hidden text field gets. */
  function insert(link) {
    const field = document.getElementById("text-input");
    if (!field) return;
    field.focus();
    field.value = link;
    field.dispatchEvent(new InputEvent("input", {bubbles: true}));
  }

  function soon(event) {
    if (event.target.id !== "text-input" || event.isComposing) return;
    clearTimeout(timer);
    timer = setTimeout(ask, WAIT_MS);
  }

  for (const kind of ["input", "keyup", "compositionend"]) document.addEventListener(kind, soon, true);
  document.addEventListener("keydown", event => {
    const position = /^Digit[1-9]$/.test(event.code) ? Number(event.code.at(-1)) - 1 : -1;
    if (!event.altKey || event.target.id !== "text-input" || !suggestions[position]) return;
    event.preventDefault();
    event.stopPropagation();
    insert(suggestions[position].scrapbox);
  }, true);

  for (const one of [SERVER, TOKEN]) {
    GM_registerMenuCommand(one.label, () => {
      const value = prompt(one.label, setting(one));
      if (value !== null) GM_setValue(one.key, value.trim());
    });
  }
})();
