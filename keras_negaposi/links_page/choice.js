"use strict";
// Which links are listed, and in which order.

const FILTERS = {
  new: (link, decided) => !decided && !link.linked,
  alone: (link, decided) => !decided && link.from.alone,
  linked: (link, decided) => !decided && link.linked,
  decided: (link, decided) => Boolean(decided),
  all: (link, decided) => !decided,
};
const ORDERS = ["certain", "uncertain", "note"];
const byTitle = new Intl.Collator("ja", {numeric: true});

/**
 * Returns the notes to list, each with its links: [{note, links}].
 *
 * A pair of notes is listed once, under the note whose direction is more certain; but under both where notes are looked
 * at one by one (by note, and the notes that nothing links to).
 */
function chosen(wiki, decisions, {filter, order, query}) {
  const wanted = FILTERS[filter], matches = matcher(wiki, query);
  const twice = order === "note" || filter === "alone";
  const distance = link => Math.abs(link.score - wiki.manifest.threshold);
  const items = [];
  for (const note of wiki.notes) {
    if (filter === "alone" && !note.alone) continue;
    const links = note.links.filter(link =>
      (twice || !link.weaker) && wanted(link, decisions.of(link)) && matches(link.a, link.b));
    if (order === "uncertain") links.sort((one, other) => distance(one) - distance(other));
    if (links.length || (filter === "alone" && !note.links.length && matches(note.page, note.page))) {
      items.push({note, links});
    }
  }
  if (order === "certain") items.sort((one, other) => (other.links[0]?.score ?? -1) - (one.links[0]?.score ?? -1));
  if (order === "uncertain") items.sort((one, other) => distance(one.links[0]) - distance(other.links[0]));
  if (order === "note") items.sort((one, other) => byTitle.compare(one.note.title, other.note.title));
  return items;
}

/** Returns a function that tells whether the texts and titles of two pages contain all words of a query together. */
function matcher(wiki, query) {
  const words = folded(query).split(/\s+/).filter(Boolean).slice(0, 30);
  if (!words.length) return () => true;
  const all = 2 ** words.length - 1;
  const found = Int32Array.from(wiki.pages, page =>
    words.reduce((bits, text, place) => bits | (foldedPage(page).includes(text) ? 1 << place : 0), 0));
  return (a, b) => (found[a.number] | found[b.number]) === all;
}

function foldedPage(page) {
  page.folded ||= folded(page.note + "\n" + page.title + "\n" + page.text);
  return page.folded;
}
