"""The userscript for Cosense and the plugin for Obsidian in fakes of the two, in real Chromium with a real server."""

import json
from importlib.resources import files

import pytest

from tests.helpers.browser import opened
from tests.helpers.servers import served

pytestmark = [pytest.mark.browser, pytest.mark.slow]
EDITORS = files("keras_negaposi.server") / "editors"
TOKEN = "a-secret-of-20-chars"
LOCAL = {"permissions": ["local-network-access"]}
"""Chromium asks before a page of the internet reaches this computer; extensions and Obsidian are not web pages."""
COSENSE, OBSIDIAN = "https://scrapbox.io/notes/doc03", "https://obsidian.example/"

FAKE_COSENSE = """<!DOCTYPE html><html lang="ja"><title>Cosense</title><link rel="icon" href="data:,">
<div class="lines"><div class="line" id="La">doc03</div><div class="line cursor-line" id="Lb"></div></div>
<textarea id="text-input" aria-label="text"></textarea>
<script>
// What is typed into the hidden field becomes part of the line that has the cursor.
const lines = [{id: "a", text: "doc03"}, {id: "b", text: ""}, {id: "c", text: "below the cursor"}];
window.scrapbox = {Page: {title: "doc03", lines}};
document.getElementById("text-input").addEventListener("input", event => {
  if (event.isComposing) return;
  lines[1].text += event.target.value;
  event.target.value = "";
});
// The userscript manager.
window.unsafeWindow = window;
window.kept = SETTINGS;
window.menu = {}, window.asked = [], window.answered = [], window.delays = [];
window.GM_getValue = (key, initial) => key in kept ? kept[key] : initial;
window.GM_setValue = (key, value) => { kept[key] = value; };
window.GM_registerMenuCommand = (label, work) => { menu[label] = work; };
window.GM_xmlhttpRequest = ({method, url, headers, data, onload, onerror}) => {
  const number = asked.push(JSON.parse(data)), delay = delays[number] ?? 0;
  fetch(url, {method, headers, body: data}).then(async answer => {
    const responseText = await answer.text();
    setTimeout(() => { onload({status: answer.status, responseText}); answered.push(number); }, delay);
  }, onerror);
};
</script>"""

FAKE_OBSIDIAN = """<!DOCTYPE html><html lang="ja"><title>Obsidian</title><link rel="icon" href="data:,">
<aside></aside><script>
const commands = {}, handlers = {}, leaves = [];
let creator;
class Plugin {
  constructor(app) { this.app = app; }
  loadData() { return SETTINGS; }
  registerView(type, create) { creator = create; }
  registerEvent() {}
  addCommand(command) { commands[command.id] = command; }
  addRibbonIcon() {}
  addSettingTab() {}
}
class ItemView { constructor() { this.contentEl = document.querySelector("aside"); } }
let asked = 0;
const answered = [], delays = [];
const requestUrl = async ({url, method, contentType, headers, body}) => {
  const number = ++asked;
  const answer = await fetch(url, {method, body, headers: {...headers, "Content-Type": contentType}});
  const text = await answer.text();
  await new Promise(done => setTimeout(done, delays[number] ?? 0));
  setTimeout(() => answered.push(number));  // after the plugin has drawn the answer
  return {status: answer.status, text};
};
const none = class {};
const obsidian = {Plugin, ItemView, requestUrl, Notice: none, PluginSettingTab: none, Setting: none};
const own = {path: "doc03.md"}, inFolder = {path: "folder/doc.md"};
const app = {
  workspace: {
    on: (name, work) => { handlers[name] = work; },
    getLeavesOfType: () => leaves,
    getRightLeaf: () => ({setViewState() { leaves.push({view: creator(this)}); }}),
    revealLeaf() {},
  },
  metadataCache: {getFirstLinkpathDest: note => note === "doc03" ? own : note === window.known ? inFolder : null},
  fileManager: {generateMarkdownLink: (file, from) => `[${from}](${file.path})`},
};
const editor = {
  text: "", focus() {}, getCursor: () => ({line: 0, ch: editor.text.length}), getRange: () => editor.text,
  replaceSelection(link) { this.text += link; },
};
async function load(code) {
  const module = {exports: {}};
  new Function("require", "module", code)(name => ({obsidian})[name], module);
  const plugin = new module.exports(app);
  await plugin.onload();
  await commands.open.callback();
}
function write(text) {
  editor.text += text;
  handlers["editor-change"](editor, {file: own});
}
</script>"""


def of_line(page):
    return page.evaluate("scrapbox.Page.lines[1].text")


@pytest.fixture(scope="module")
def server(lexical_index, tmp_path_factory):
    secret = tmp_path_factory.mktemp("token") / "token"
    secret.write_text(TOKEN)
    decisions = secret.with_name("decisions.sqlite")
    origins = ("--allow_origin", "https://scrapbox.io", "https://obsidian.example")
    flags = ("--token_file", secret, "--decisions", decisions, "--all_pages", "false", "--rate", "0")
    with served(lexical_index, *flags, *origins) as running:
        yield running.address


def test_the_userscript_suggests_and_inserts_links(browser, server):
    script = (EDITORS / "cosense" / "negaposi.user.js").read_text(encoding="utf-8")
    settings = json.dumps({"server": server, "token": TOKEN})
    html = f"{FAKE_COSENSE.replace('SETTINGS', settings)}<script>{script}</script>"
    with opened(browser, COSENSE, server, html=html, **LOCAL) as page:
        page.focus("#text-input")
        page.keyboard.type("りんごを買う。")
        page.wait_for_selector("#negaposi button")
        names = page.locator("#negaposi strong").all_text_contents()
        assert len(names) == 8 and "doc03" not in names
        assert page.evaluate("asked") == [{"text": "doc03\nりんごを買う。", "top": 9, "one_per_note": True}]
        page.click("#negaposi button >> nth=1")
        assert of_line(page) == f"りんごを買う。[{names[1]}]"
        assert page.evaluate("document.activeElement.id") == "text-input"
        page.wait_for_function("answered.includes(2)")
        first = page.text_content("#negaposi strong >> nth=0")
        page.keyboard.press("Alt+1")
        assert of_line(page).endswith(f"[{first}]")

        # An answer that comes after a newer one is dropped.
        page.wait_for_function("answered.includes(3)")
        page.evaluate("delays[4] = 1500")
        page.keyboard.type("電車で話す。")
        page.wait_for_function("asked.length === 4")
        page.keyboard.type("犬が走る。")
        page.wait_for_function("answered.includes(5)")
        newest = page.text_content("#negaposi")
        page.wait_for_function("answered.includes(4)")
        assert page.evaluate("answered.slice(-2)") == [5, 4]
        assert page.text_content("#negaposi") == newest

        # Settings, and what is wrong.
        page.evaluate("window.prompt = label => label; menu['Address of the server']()")
        assert page.evaluate("kept.server") == "Address of the server"
        refusals = [({"status": 401, "responseText": '{"error": "<b>no</b>"}'}, "<b>no</b>"), ({"status": 502}, "502")]
        for answer, line in refusals:
            page.evaluate("answer => { GM_xmlhttpRequest = ({onload}) => onload(answer); }", answer)
            page.keyboard.type("猫。")
            page.wait_for_function("line => document.getElementById('negaposi').textContent.includes(line)", arg=line)
        assert page.locator("#negaposi *").count() == 0


def test_the_plugin_suggests_and_inserts_links(browser, server):
    code = (EDITORS / "obsidian" / "main.js").read_text(encoding="utf-8")
    html = FAKE_OBSIDIAN.replace("SETTINGS", json.dumps({"server": server, "token": TOKEN}))
    with opened(browser, OBSIDIAN, server, html=html, **LOCAL) as page:
        page.evaluate("code => load(code)", code)
        page.evaluate("write('りんごを買う。')")
        page.wait_for_selector("aside button")
        names = [name.split(" ", 1)[1] for name in page.locator("aside button").all_text_contents()]
        assert len(names) == 8 and "doc03" not in names
        page.evaluate("commands['insert-2'].editorCallback()")
        assert page.evaluate("editor.text") == f"りんごを買う。[[{names[1]}]]"
        page.evaluate("name => { window.known = name; }", names[0])
        page.click("aside button >> nth=0")
        assert page.evaluate("editor.text").endswith("]][doc03.md](folder/doc.md)")

        # An answer that comes after a newer one is dropped.
        page.evaluate("delays[2] = 1500; write('電車で話す。')")
        page.wait_for_function("asked === 2")
        page.evaluate("write('犬が走る。')")
        page.wait_for_function("answered.includes(3)")
        newest = page.text_content("aside")
        page.wait_for_function("answered.includes(2)")
        assert page.evaluate("answered") == [1, 3, 2]
        assert page.text_content("aside") == newest
        page.evaluate("editor.text = ''; write(' ')")
        page.wait_for_function("document.querySelector('aside').textContent.startsWith('Write a sentence')")


def test_the_plugin_has_what_obsidian_needs():
    manifest = json.loads((EDITORS / "obsidian" / "manifest.json").read_text(encoding="utf-8"))
    needed = {"id", "name", "version", "minAppVersion", "description", "author", "isDesktopOnly"}
    assert set(manifest) == needed and "obsidian" not in manifest["id"]
