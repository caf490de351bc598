"use strict";
// Where the page's data come from and where its decisions go. A source has these methods; all return promises:
//
//   manifest()        the object of manifest.json
//   chunk(number)     the object of chunk-<number>.json
//   decisions()       all decisions as an array, in the order in which they were made
//   matches(link)     the tokens that the model has matched: [[token of A or "", token of B]], the strongest first
//   decide(list)      keeps more decisions; rejects if they could not be saved
//
// A decision is {a, b, decision: "accept" | "reject" | "undo", at: ISO time}, with the titles of two pages.

/** The data are in this file, and the decisions in the browser, by the file's path. */
class StaticSource {
  #key = "keras_negaposi:decisions:" + location.pathname;

  async manifest() { return this.#take("manifest"); }

  async chunk(number) {
    if (!document.getElementById("chunk-" + number)) await this.#parsed();
    return this.#take("chunk-" + number);
  }

  async matches(link) { return link.matches; }

  async decisions() {
    // Without storage the page still shows links; a decision is then refused.
    try { return linesToDecisions(localStorage.getItem(this.#key) || ""); } catch { return []; }
  }

  async decide(list) {
    // Read again: another tab may have added some.
    const saved = localStorage.getItem(this.#key) || "";
    localStorage.setItem(this.#key, saved + decisionsToLines(list));
  }

  /** Parses a data block, and drops its text. */
  #take(id) {
    const element = document.getElementById(id);
    const value = JSON.parse(element.textContent);
    element.remove();
    return value;
  }

  #parsed() {
    if (document.readyState !== "loading") return Promise.resolve();
    return new Promise(resolve => document.addEventListener("DOMContentLoaded", resolve, {once: true}));
  }
}

/** A server has the data and the decisions; addresses are relative to the page's. */
class ServerSource {
  async manifest() { return (await this.#get("data/manifest.json")).json(); }

  async chunk(number) { return (await this.#get("data/chunk-" + number + ".json")).json(); }

  async matches(link) {
    if (!link.known) return [];
    const asked = new URLSearchParams({a: link.a.title, b: link.b.title});
    return (await (await this.#get("matches?" + asked)).json()).matches.map(({a, b}) => [a, b]);
  }

  async decisions() { return linesToDecisions(await (await this.#get("decisions")).text()); }

  async decide(list) {
    await this.#get("decisions", {
      method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(list),
    });
  }

  async #get(address, options) {
    const answer = await fetch(address, {credentials: "same-origin", ...options});
    if (!answer.ok) throw new Error(WORDS["http_" + answer.status] || "HTTP " + answer.status);
    return answer;
  }
}

function decisionsToLines(list) {
  return list.map(decision => JSON.stringify(decision) + "\n").join("");
}

/** Parses JSON lines; throws an error with the property `line` if one is not a decision. */
function linesToDecisions(text) {
  return text.split("\n").flatMap((line, index) => {
    if (!line.trim()) return [];
    let decision = null;
    try { decision = JSON.parse(line); } catch { /* the error below says so */ }
    const {a, b, at} = decision || {};
    const good = [a, b, at].every(value => typeof value === "string" && value) && !Number.isNaN(Date.parse(at)) &&
      ["accept", "reject", "undo"].includes(decision.decision);
    if (!good) throw Object.assign(new Error("no decision"), {line: index + 1});
    return [decision];
  });
}
