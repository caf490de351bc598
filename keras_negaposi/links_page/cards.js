"use strict";
// Draws one note with its links: A's text once, next to the candidates.

const LINKS_SHOWN = 3, EXCERPT_A = 400, EXCERPT_B = 140;
const linkOf = new WeakMap();

function add(parent, tag, text, className) {
  const element = parent.appendChild(document.createElement(tag));
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
}

function addButton(parent, key, act, className) {
  const button = add(parent, "button", word(key), className);
  button.type = "button";
  button.addEventListener("click", act);
  return button;
}

/** Fills an element with a note: {note, links, shown: number of links that are shown}. */
function drawCard(card, item, page) {
  card.replaceChildren();
  item.shown ??= LINKS_SHOWN;
  add(card, "h2", visible(shortened(item.note.title, 120))).lang = "ja";
  const shown = item.links.slice(0, item.shown);
  for (const [a, links] of groupedByA(shown)) drawGroup(card, a, links, page);
  if (!shown.length) {
    const group = add(card, "div", undefined, "group");
    drawText(add(group, "div", undefined, "a"), item.note.page, EXCERPT_A);
    add(group, "p", word("no_links"), "quiet");
  }
  const more = item.links.length - shown.length;
  if (more > 0) {
    const button = addButton(card, "more_links", () => {
      item.shown = Infinity;
      drawCard(card, item, page);
      card.querySelectorAll(".link")[shown.length]?.focus();
    }, "more");
    button.textContent = word("more_links", {count: more});
  }
}

function groupedByA(links) {
  const groups = new Map();
  for (const link of links) groups.set(link.a, [...(groups.get(link.a) || []), link]);
  return groups;
}

function drawGroup(card, a, links, page) {
  const group = add(card, "div", undefined, "group"), side = add(group, "div", undefined, "a");
  drawPlace(side, a);
  drawText(side, a, EXCERPT_A);
  const list = add(group, "ol", undefined, "links");
  for (const link of links) drawLink(add(list, "li", undefined, "link"), link, page);
}

function drawLink(element, link, page) {
  element.tabIndex = -1;
  linkOf.set(element, link);
  const head = add(element, "div", undefined, "head");
  const title = add(head, "h3", visible(shortened(link.b.note, 120)));
  title.lang = "ja";
  drawPlace(head, link.b);
  drawScore(head, link.score, page.wiki);
  const decided = page.decisions.of(link);
  if (link.linked) add(head, "span", word("linked"), "badge");
  if (decided) add(head, "span", word(decided + "ed"), "badge");
  drawText(add(element, "div", undefined, "b"), link.b, EXCERPT_B);
  const buttons = add(element, "div", undefined, "buttons");
  if (link.known && decided) addButton(buttons, "reopen", () => page.decide(link, "undo", element));
  if (link.known && !decided) {
    addButton(buttons, "accept", () => page.decide(link, "accept", element), "accept");
    addButton(buttons, "reject", () => page.decide(link, "reject", element));
  }
  addButton(buttons, "copy", () => page.copy(link));
  const why = addButton(buttons, "why", () => toggleWhy(element, page), "why");
  why.setAttribute("aria-expanded", "false");
  for (const button of buttons.children) button.setAttribute("aria-label", button.textContent + ": " + title.textContent);
}

/** Draws which page of its note a text is, where the page's title says more than the note's. */
function drawPlace(parent, page) {
  if (page.title === page.note) return;
  const rest = page.title.startsWith(page.note) ? page.title.slice(page.note.length).replace(/^[,\s]+/, "") : page.title;
  add(parent, "span", visible(shortened(rest, 60)), "place").lang = "ja";
}

/** Draws a page's text, cut after `most` characters. */
function drawText(parent, page, most) {
  const excerpt = shortened(page.text, most), text = add(parent, "p", visible(excerpt), "text");
  text.lang = "ja";
  if (excerpt === page.text) return;
  const button = addButton(parent, "full_text", () => {
    text.textContent = visible(page.text);
    button.remove();
  }, "more");
}

function drawScore(parent, score, wiki) {
  const {threshold} = wiki.manifest, name = wiki.wordFor(score);
  const box = add(parent, "span", undefined, "score " + (name || "plain"));
  if (name) add(box, "span", word(name), "word");
  const bar = add(box, "span", undefined, "scale");
  bar.setAttribute("role", "img");
  add(bar, "span", undefined, "filled").style.width = 100 * Math.min(1, Math.max(0, score)) + "%";
  if (!name) {
    bar.setAttribute("aria-label", word("score_plain", {score: score.toFixed(2)}));
    add(box, "span", score.toFixed(2), "number").ariaHidden = "true";
    return;
  }
  add(bar, "span", undefined, "threshold").style.left = 100 * threshold + "%";
  bar.setAttribute("aria-label", word("score", {word: word(name), percent: percent(score), threshold: percent(threshold)}));
  bar.title = bar.getAttribute("aria-label");
  add(box, "span", percent(score), "number").ariaHidden = "true";
}

/** A probability; it is never shown as 0 % or 100 %. */
function percent(value) {
  const rounded = value > 0.99 ? Math.min(99.9, Math.floor(1000 * value) / 10) : Math.max(1, Math.round(100 * value));
  return (value > 0.999 ? ">" : "") + rounded.toLocaleString(LANGUAGE) + " %";
}

/** Opens or closes the reasons for a link; what the texts share is marked in both. */
function toggleWhy(element, page) {
  const group = element.closest(".group"), link = linkOf.get(element), opened = group.querySelector(".reasons");
  const before = opened?.closest(".link"), textA = group.querySelector(".a .text");
  if (before) {
    opened.remove();
    before.querySelector(".why").setAttribute("aria-expanded", "false");
    textA.textContent = visible(linkOf.get(before).a.text);
    before.querySelector(".b .text").textContent = visible(linkOf.get(before).b.text);
  }
  if (before === element) return;
  const shared = sharedStrings(page.wiki, link.a.text, link.b.text);
  showMarked(textA, link.a.text, shared);
  showMarked(element.querySelector(".b .text"), link.b.text, shared);
  for (const side of [textA.parentElement, element]) side.querySelector(".more")?.remove();
  element.querySelector(".why").setAttribute("aria-expanded", "true");
  const reasons = add(element, "div", undefined, "reasons");
  addReasons(reasons, link, shared, page.wiki.manifest);
  if (page.wiki.manifest.matches) addMatches(reasons, page.source.matches(link));
}
