"use strict";
// The notes and their links, as they arrive chunk by chunk.
//
//   page  {number, title, text, note: title of its note, folded: for the search, empty until it is needed}
//   note  {title, page, alone, links}
//   link  {from: note, a: page, b: page, score, linked, weaker, known, parts, matches}
//
// `weaker`: the list of B's note has the same link in the other direction, with a higher score. `known`: A is a page of
// the wiki, so that one can decide about the link. `parts`: contributions to the score, see manifest.parts. `matches`: see source.js; in a file alone.

const LINKED = 1, WEAKER = 2, UNKNOWN = 4;

class Wiki {
  pages = [];
  notes = [];
  #noteOf = new Map();
  #pattern = null;

  constructor(manifest) {
    this.manifest = manifest;
    try { this.#pattern = new RegExp(manifest.group_pattern, "s"); } catch { /* a pattern of Python alone */ }
  }

  add(chunk) {
    for (const [title, text, note] of chunk.pages) {
      this.pages.push({number: this.pages.length, title, text, note, folded: ""});
      this.#noteOf.set(title, note);
    }
    for (const [title, page, alone, links] of chunk.notes) {
      const note = {title, page: this.pages[page], alone: Boolean(alone), links: []};
      for (const [a, b, score, flags, ...parts] of links) {
        const matches = Array.isArray(parts.at(-1)) ? parts.pop() : [];
        note.links.push({
          from: note, a: this.pages[a], b: this.pages[b], score, parts, matches,
          linked: Boolean(flags & LINKED), weaker: Boolean(flags & WEAKER), known: !(flags & UNKNOWN),
        });
      }
      this.notes.push(note);
    }
  }

  /** Returns the note of a page, also of one that is not among the pages here. */
  noteOf(title) {
    return this.#noteOf.get(title) ?? this.#pattern?.exec(title)?.[1] ?? title;
  }

  /** Returns "likely", "possible" or "doubtful"; "" if the scores are no probabilities. */
  wordFor(score) {
    const {threshold, likely} = this.manifest;
    if (threshold === null) return "";
    return score >= likely ? "likely" : score >= threshold ? "possible" : "doubtful";
  }
}
