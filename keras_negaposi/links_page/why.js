"use strict";
// Why a link is suggested: what both texts share, what the model has matched, and what each part of the score contributes.

const LONGEST_COMPARED = 1500, MOST_SHARED = 8, MOST_COUNTED = 24, SHARE_OF_COMMON = 0.05, FEWEST_COMMON = 10, LONGEST_SHOWN = 40, FEWEST_SHOWN = 3;

/**
 * Returns the longest strings of two or more characters that are in both texts, the rarest first: [{text, signs, pages}].
 *
 * `text` is as in A, `signs` are its folded characters, and `pages` counts the pages here that contain it. What is in
 * many pages, such as です, is left out where something rarer is there, and so are short strings of hiragana and parts
 * of longer strings.
 */
function sharedStrings(wiki, textA, textB) {
  const written = Array.from(textA), a = foldedSigns(textA).slice(0, LONGEST_COMPARED);
  const longest = longestMatches(a, foldedSigns(textB).slice(0, LONGEST_COMPARED)), found = new Map();
  for (let i = 0; i < a.length; i++) {
    if (longest[i] < 2 || (i && longest[i - 1] > longest[i])) continue;
    const text = trimmed(written.slice(i, i + longest[i]).join("")), signs = foldedSigns(text);
    if (signs.length >= 2 && !/^\p{Script=Hiragana}{2,3}$/u.test(text)) found.set(signs.join(""), {text, signs});
  }
  const kept = [];
  for (const [key, shared] of [...found].sort((one, other) => other[0].length - one[0].length)) {
    if (kept.length < MOST_COUNTED && !kept.some(longer => longer.key.includes(key))) kept.push({key, ...shared});
  }
  const common = Math.max(FEWEST_COMMON, SHARE_OF_COMMON * wiki.pages.length);
  const counted = kept
    .map(shared => ({...shared, pages: wiki.pages.filter(page => foldedPage(page).includes(shared.key)).length}))
    .sort((one, other) => one.pages - other.pages || other.signs.length - one.signs.length);
  const rare = counted.filter(shared => shared.pages <= common);
  return rare.length ? rare.slice(0, MOST_SHARED) : counted.slice(0, FEWEST_SHOWN);
}

/** Returns the text without the signs at its ends that are neither letters nor digits. */
function trimmed(text) { return text.replace(/^[^\p{L}\p{N}]+|[^\p{L}\p{N}]+$/gu, ""); }

/** Returns for each position of A the length of the longest string from there that is somewhere in B. */
function longestMatches(a, b) {
  const longest = new Array(a.length).fill(0);
  let below = new Uint16Array(b.length + 1);
  for (let i = a.length - 1; i >= 0; i--) {
    const row = new Uint16Array(b.length + 1);
    for (let j = b.length - 1; j >= 0; j--) {
      if (a[i] !== b[j]) continue;
      row[j] = below[j + 1] + 1;
      if (row[j] > longest[i]) longest[i] = row[j];
    }
    below = row;
  }
  return longest;
}

function foldedSigns(text) { return Array.from(text, sign => Array.from(folded(sign))[0] ?? sign); }

/** Shows a text in an element, with marks around the shared strings. */
function showMarked(element, text, shared) {
  const signs = Array.from(text), compared = foldedSigns(text), marked = new Uint8Array(signs.length);
  for (const {signs: wanted} of shared) {
    for (let i = 0; i + wanted.length <= compared.length; i++) {
      if (wanted.every((sign, place) => compared[i + place] === sign)) marked.fill(1, i, i + wanted.length);
    }
  }
  element.replaceChildren();
  for (let start = 0, end = 0; start < signs.length; start = end) {
    while (end < signs.length && marked[end] === marked[start]) end++;
    const piece = visible(signs.slice(start, end).join(""));
    if (marked[start]) add(element, "mark", piece);
    else element.append(piece);
  }
}

/** Adds the tokens that the model has matched to an element, once the source has them. */
async function addMatches(element, asked) {
  const matches = await asked.catch(() => []);
  if (!matches.length || !element.isConnected) return;
  add(element, "p", word("matches"), "quiet");
  const list = add(element, "ul", undefined, "shared matches");
  for (const [a, b] of matches) add(list, "li", visible(a ? a + " – " + b : b)).lang = "ja";
}

/** Adds the reasons for a link to an element. */
function addReasons(element, link, shared, manifest) {
  add(element, "p", word(shared.length ? "shared" : "nothing_shared"), "quiet");
  if (shared.length) {
    const list = add(element, "ul", undefined, "shared");
    for (const {text, pages} of shared) {
      const item = add(list, "li", visible(shortened(text, LONGEST_SHOWN)));
      item.lang = "ja";
      item.title = word("in_notes", {text, count: pages});
    }
  }
  if (!link.parts.length) return;
  add(element, "p", word("parts"), "quiet");
  const list = add(element, "ul", undefined, "parts"), largest = Math.max(...link.parts.map(Math.abs), 1e-9);
  manifest.parts.forEach((name, place) => {
    const value = link.parts[place], item = add(list, "li");
    add(item, "span", word("part_" + name));
    add(item, "span", (value < 0 ? "−" : "+") + Math.abs(value).toFixed(2), "number");
    const bar = add(item, "span", undefined, value < 0 ? "part against" : "part");
    bar.style.width = (5 * Math.abs(value) / largest).toFixed(2) + "rem";
  });
}
