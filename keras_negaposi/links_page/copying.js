"use strict";
// A link to a note as text to paste: [[name]] (Obsidian, Foam), [name] (Scrapbox) or Markdown.

const FORMATS = {wiki: wikiLink, scrapbox: scrapboxLink, markdown: markdownLink};

function wikiLink(to, from, manifest) {
  return /[[\]|#^]|^\s|\s$/.test(to) ? markdownLink(to, from, manifest) : "[[" + to + "]]";
}

function scrapboxLink(to, from, manifest) {
  return Object.hasOwn(manifest.scrapbox, to) ? manifest.scrapbox[to] : "[" + to + "]";
}

/** The same as `link_formats.as_markdown`: the path is relative to the folder of the note that the link is pasted into. */
function markdownLink(to, from, manifest) {
  const file = Object.hasOwn(manifest.files, to) ? manifest.files[to] : to + ".md";
  const path = file.split("/").filter(Boolean), folder = from.split("/").filter(Boolean).slice(0, -1);
  let same = 0;
  while (same < folder.length && same < path.length - 1 && folder[same] === path[same]) same++;
  const relative = [...folder.slice(same).map(() => ".."), ...path.slice(same)].map(encoded).join("/");
  const name = (to.split("/").at(-1) || to).replace(/\s+/g, " ").trim()
    .replace(/[\0-\x1f\x7f-\x9f]/g, "\ufffd").replace(/[\\`*_[\]<>|&~$^=%#]/g, "\\$&");
  return "[" + name + "](" + relative + ")";
}

function encoded(part) {
  return encodeURIComponent(part).replace(/[!'()*]/g, sign => "%" + sign.charCodeAt(0).toString(16).toUpperCase());
}

/** Copies a text; returns whether the browser allowed it. */
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // A page of another computer's server without https has no clipboard; the old way still works there.
    const field = document.body.appendChild(document.createElement("textarea"));
    const focused = document.activeElement;
    field.value = text;
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    focused?.focus();
    return done;
  }
}
