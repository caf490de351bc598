"use strict";
// What was decided, by the two notes of a link in either direction. The last decision in time counts.

class Decisions {
  #all = [];
  #last = new Map();
  #made = [];

  constructor(source, wiki) {
    this.source = source;
    this.wiki = wiki;
  }

  /** Adds decisions that are kept already. */
  add(list) {
    this.#all.push(...list);
    for (const decision of list) {
      const key = this.#key(this.wiki.noteOf(decision.a), this.wiki.noteOf(decision.b));
      const before = this.#last.get(key);
      if (!before || Date.parse(decision.at) >= Date.parse(before.at)) this.#last.set(key, decision);
    }
  }

  /** Finds the notes of all decisions again, when more pages are known. */
  update() {
    const all = this.#all;
    this.#all = [];
    this.#last.clear();
    this.add(all);
  }

  /** Returns "accept", "reject" or "". */
  of(link) {
    if (!this.#last.size) return "";
    const decision = this.#last.get(this.#keyOf(link))?.decision;
    return decision === "undo" ? "" : decision || "";
  }

  /** Keeps a decision about a link; the promise is rejected if it cannot be saved. */
  async make(link, what) {
    const at = new Date().toISOString(), list = [];
    const before = this.of(link) && this.#last.get(this.#keyOf(link));
    // An earlier decision may be about other pages of the two notes.
    if (before && (what === "undo" || before.a !== link.a.title || before.b !== link.b.title)) {
      list.push({a: before.a, b: before.b, decision: "undo", at});
    }
    if (what !== "undo") list.push({a: link.a.title, b: link.b.title, decision: what, at});
    await this.source.decide(list);
    this.add(list);
    this.#made = this.#made.filter(made => made !== link);
    if (what !== "undo") this.#made.push(link);
  }

  /** Returns the link of the last decision on this page that is not undone yet. */
  get lastLink() { return this.#made.at(-1); }

  /** Returns the decisions that count. */
  get list() { return [...this.#last.values()].filter(decision => decision.decision !== "undo"); }

  /** Keeps the decisions of a file; returns their number. */
  async addLines(text) {
    const list = linesToDecisions(text).map(({a, b, decision, at}) => ({a, b, decision, at}));
    if (list.length) await this.source.decide(list);
    this.add(list);
    return list.length;
  }

  #keyOf(link) { return this.#key(link.from.title, link.b.note); }

  #key(one, other) { return one < other ? one + "\0" + other : other + "\0" + one; }
}
