"use strict";
// The page: its state, its list, and what its buttons and keys do.

const CARDS_AT_ONCE = 20;

class Page {
  state = {filter: "new", order: "certain", query: ""};
  #items = [];
  #drawn = 0;
  #cards = new WeakMap();
  #current = null;

  constructor(source, manifest) {
    this.source = source;
    this.wiki = new Wiki(manifest);
    this.decisions = new Decisions(source, this.wiki);
    this.list = document.getElementById("list");
  }

  /** Chooses the notes to list again, and draws at least `least` of them. */
  refresh(least = 1) {
    this.#items = chosen(this.wiki, this.decisions, this.state);
    this.#drawn = 0;
    this.#current = null;
    this.list.replaceChildren();
    while (this.#drawn < least && this.#drawMore());
    this.describe();
  }

  /** Takes in notes that have arrived; what is drawn already stays where it is, unless they belong between. */
  extend() {
    const items = chosen(this.wiki, this.decisions, this.state);
    const stays = this.#items.slice(0, this.#drawn).every((item, place) =>
      item.note === items[place]?.note && item.links.length === items[place].links.length);
    if (!stays) return this.refresh();
    this.#items = [...this.#items.slice(0, this.#drawn), ...items.slice(this.#drawn)];
    if (this.#drawn < CARDS_AT_ONCE) this.#drawMore();
    this.describe();
  }

  describe() {
    const {filter, order, query} = this.state, {manifest, notes} = this.wiki;
    const links = this.#items.reduce((sum, item) => sum + item.links.length, 0);
    document.getElementById("shown").textContent = notes.length < manifest.notes
      ? word("counting", {done: notes.length, all: manifest.notes}) : word("count", {links, notes: this.#items.length});
    const about = document.getElementById("about");
    about.replaceChildren();
    if (manifest.warning) add(about, "p", word("warning", {text: visible(word(...manifest.warning))}), "warning");
    if (manifest.note) add(about, "p", word("note", {text: visible(word(...manifest.note))}), "quiet");
    add(about, "p", word("about_" + filter) + (order === "uncertain" ? " " + word("about_uncertain") : ""), "quiet");
    if (manifest.threshold === null) add(about, "p", word("no_probability"), "quiet");
    this.list.querySelector(".empty")?.remove();
    if (!this.#items.length && notes.length === manifest.notes) {
      const box = add(this.list, "div", undefined, "empty");
      add(box, "p", query ? word("empty_search", {query: visible(query)}) : word("empty_" + filter));
      if (query) addButton(box, "clear_search", () => this.search(""));
    }
  }

  search(query) {
    const field = document.getElementById("query");
    if (field.value !== query) field.value = query;
    this.state.query = query;
    this.refresh();
  }

  /** Draws the next cards, if the end of the list is near. */
  #drawMore() {
    const next = this.#items.slice(this.#drawn, this.#drawn + CARDS_AT_ONCE).filter(item => this.#keepWanted(item));
    this.#items.splice(this.#drawn, CARDS_AT_ONCE, ...next);
    for (const item of next) {
      const card = add(this.list, "article", undefined, "note");
      this.#cards.set(card, item);
      drawCard(card, item, this);
    }
    this.#drawn += next.length;
    return next.length > 0 || (this.#drawn < this.#items.length && this.#drawMore());
  }

  watchEnd() {
    const end = document.getElementById("end");
    const watcher = new IntersectionObserver(seen => {
      if (!seen.at(-1).isIntersecting || !this.#drawMore()) return;
      watcher.unobserve(end); // so that it is called again if the end is still near
      watcher.observe(end);
    }, {rootMargin: "1500px"});
    watcher.observe(end);
    this.list.addEventListener("focusin", event => {
      this.#current?.classList.remove("current");
      this.#current = event.target.closest(".link");
      this.#current?.classList.add("current");
    });
    this.list.addEventListener("click", event => {
      const link = event.target.closest(".link");
      if (link && !event.target.closest("button") && !String(getSelection())) link.focus();
    });
  }

  /** Goes to the next or previous link. */
  move(step) {
    const links = [...this.list.querySelectorAll(".link")];
    const at = links.indexOf(this.#current);
    if (at + step >= links.length && this.#drawMore()) return this.move(step);
    const next = links[at < 0 ? 0 : Math.min(links.length - 1, Math.max(0, at + step))];
    next?.focus();
    next?.scrollIntoView({block: "nearest"});
  }

  /** Does to the current link what its button would do. */
  act(what) {
    if (!this.#current?.isConnected) return this.say(word("notice_nothing_chosen"));
    const link = linkOf.get(this.#current);
    if (what === "copy") return this.copy(link);
    if (what === "why") return toggleWhy(this.#current, this);
    if (link.known) return this.decide(link, what, this.#current);
  }

  async decide(link, what, element) {
    try {
      await this.decisions.make(link, what);
    } catch (error) {
      return this.say(word("notice_not_saved", {text: error.message}));
    }
    this.say(word("notice_" + what, {a: visible(link.from.title), b: visible(link.b.note)}), what !== "undo");
    this.#redraw(element);
  }

  /** Draws the card of a link again after a decision, and goes to the link that takes its place. */
  #redraw(element) {
    const own = element?.closest(".note");
    if (!own) return this.refresh(this.#drawn + 1);
    const place = [...this.list.querySelectorAll(".link")].indexOf(element);
    // The other direction of the link may be in the list of the other note.
    const dropped = new Set();
    for (const card of this.list.querySelectorAll(".note")) {
      const item = this.#cards.get(card), before = item.links.length;
      if (!this.#keepWanted(item)) {
        dropped.add(item);
        card.remove();
      } else if (card === own || item.links.length < before) drawCard(card, item, this);
    }
    this.#items = this.#items.filter(item => !dropped.has(item));
    this.#drawn -= dropped.size;
    if (!this.#drawn && !this.#drawMore()) return this.refresh();
    this.describe();
    const links = this.list.querySelectorAll(".link");
    links[Math.min(place, links.length - 1)]?.focus();
  }

  /** Leaves out the links of a note that are decided by now; returns whether the note is still listed. */
  #keepWanted(item) {
    item.links = item.links.filter(link => FILTERS[this.state.filter](link, this.decisions.of(link)));
    return item.links.length > 0 || !item.note.links.length;
  }

  async undo() {
    const link = this.decisions.lastLink;
    if (!link) return this.say(word("notice_nothing_undone"));
    await this.decide(link, "undo", null);
    // Its note was drawn before.
    const back = [...this.list.querySelectorAll(".link")].find(element => linkOf.get(element) === link);
    back?.focus();
  }

  async copy(link) {
    const format = document.getElementById("format").value;
    const text = FORMATS[format](link.b.note, link.from.title, this.wiki.manifest);
    this.say(word(await copied(text) ? "notice_copied" : "notice_not_copied", {text: visible(text)}));
  }

  /** Says what was done, also to a screen reader. */
  say(text, undoable = false) {
    document.getElementById("status").textContent = text;
    document.getElementById("undo").hidden = !undoable;
    document.getElementById("notice").classList.add("open");
  }
}
