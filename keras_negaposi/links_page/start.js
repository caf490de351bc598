"use strict";
// Starts the page: draws the first chunk, then reads the others, with pauses for the reader.

const LONGEST_WORK_MS = 50;

async function start() {
  fillInWords();
  const source = document.body.dataset.source === "server" ? new ServerSource() : new StaticSource();
  try {
    const page = new Page(source, await source.manifest());
    connectControls(page);
    if (page.wiki.manifest.chunks) page.wiki.add(await source.chunk(0));
    page.decisions.add(await source.decisions());
    page.refresh();
    page.watchEnd();
    let worked = performance.now();
    for (let number = 1; number < page.wiki.manifest.chunks; number++) {
      page.wiki.add(await source.chunk(number));
      if (performance.now() - worked < LONGEST_WORK_MS) continue;
      page.extend();
      await pause();
      worked = performance.now();
    }
    page.decisions.update();
    page.extend();
    document.querySelector("main").ariaBusy = "false";
  } catch (error) {
    document.getElementById("shown").textContent = word("failed", {text: error.message});
    throw error;
  }
}

/** Resolves when the browser has had time for what the reader does. */
function pause() { return new Promise(resolve => setTimeout(resolve)); }

start();
