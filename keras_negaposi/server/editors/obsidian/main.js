"use strict";
// Shows notes to link in the right sidebar while one writes. A click or a command inserts the link at the cursor.

const {ItemView, Notice, Plugin, PluginSettingTab, Setting, requestUrl} = require("obsidian");

const VIEW = "keras-negaposi", WAIT_MS = 400, LONGEST = 1000, COUNT = 8;
const DEFAULTS = {server: "http://127.0.0.1:8010", token: ""};

class LinksView extends ItemView {
  getViewType() { return VIEW; }
  getDisplayText() { return "Notes to link"; }
  getIcon() { return "link"; }

  /** Shows links, each a button, or a line in place of them. */
  show(suggestions, line, insert) {
    const list = suggestions.map((suggestion, position) => {
      const button = document.createElement("button"), page = document.createElement("p");
      button.type = "button";
      button.lang = page.lang = "ja";
      button.textContent = `${position + 1} ${suggestion.note}`;
      page.textContent = suggestion.text.slice(0, 160);
      button.addEventListener("mousedown", event => event.preventDefault());  // the cursor stays in the note
      button.addEventListener("click", () => insert(position));
      const entry = document.createElement("div");
      entry.append(button, page);
      return entry;
    });
    this.contentEl.replaceChildren(...(list.length ? list : [line]));
  }
}

module.exports = class NegaposiPlugin extends Plugin {
  async onload() {
    this.settings = {...DEFAULTS, ...await this.loadData()};
    this.suggestions = [];
    this.newest = 0;
    this.registerView(VIEW, leaf => new LinksView(leaf));
    this.addSettingTab(new NegaposiSettings(this.app, this));
    this.addRibbonIcon("link", "Notes to link", () => this.open());
    this.addCommand({id: "open", name: "Show notes to link", callback: () => this.open()});
    for (let position = 0; position < COUNT; position++) {
      this.addCommand({
        id: `insert-${position + 1}`, name: `Insert link ${position + 1}`,
        editorCallback: () => this.insert(position),
      });
    }
    this.registerEvent(this.app.workspace.on("editor-change", (editor, info) => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.ask(editor, info.file), WAIT_MS);
    }));
  }

  onunload() {
    clearTimeout(this.timer);
    this.newest++;
  }

  async open() {
    const {workspace} = this.app;
    const leaf = workspace.getLeavesOfType(VIEW)[0] ?? workspace.getRightLeaf(false);
    await leaf.setViewState({type: VIEW, active: true});
    workspace.revealLeaf(leaf);
  }

  async ask(editor, file) {
    const number = ++this.newest;  // an answer to an older question is dropped
    const text = editor.getRange({line: 0, ch: 0}, editor.getCursor()).slice(-LONGEST);
    let suggestions = [], line = "Write a sentence, and notes to link appear here.";
    try {
      if (text.trim()) {
        suggestions = (await this.suggested(text)).filter(({note}) => !file || this.file(note, file.path) !== file);
        line = "No note fits.";
      }
    } catch (error) {
      line = `No suggestions: ${error.message}`;
    }
    if (number !== this.newest) return;
    this.editor = editor;
    this.path = file?.path ?? "";
    this.suggestions = suggestions.slice(0, COUNT);
    for (const leaf of this.app.workspace.getLeavesOfType(VIEW)) {
      // Until its tab is shown, a leaf has a placeholder for its view.
      if (leaf.view instanceof LinksView) leaf.view.show(this.suggestions, line, position => this.insert(position));
    }
  }

  /** Asks the server; requestUrl is not bound to the rules for web pages (CORS). */
  async suggested(text) {
    const {server, token} = this.settings;
    const answer = await requestUrl({
      url: `${server.replace(/\/+$/, "")}/suggest`, method: "POST", contentType: "application/json", throw: false,
      headers: token ? {Authorization: `Bearer ${token}`} : {},
      body: JSON.stringify({text, top: COUNT + 1, one_per_note: true}),
    });
    const result = JSON.parse(answer.text);
    if (answer.status !== 200) throw new Error(result.error);
    return result.suggestions;
  }

  file(note, from) {
    return this.app.metadataCache.getFirstLinkpathDest(note, from);
  }

  /** Inserts a link in the format of the vault's settings; one to a note that the vault lacks as a wiki link. */
  insert(position) {
    const suggestion = this.suggestions[position];
    if (!suggestion) return new Notice("No such suggestion");
    const file = this.file(suggestion.note, this.path);
    const link = file ? this.app.fileManager.generateMarkdownLink(file, this.path) : `[[${suggestion.note}]]`;
    this.editor.replaceSelection(link);
    this.editor.focus();
  }
};

class NegaposiSettings extends PluginSettingTab {
  constructor(app, plugin) {
    super(app, plugin);
    this.plugin = plugin;
  }

  display() {
    this.containerEl.replaceChildren();
    this.add("server", "Address of the server", "keras_negaposi.serve prints it");
    this.add("token", "Token", "of --token_file; empty if the server needs none");
  }

  add(key, name, description) {
    const {settings} = this.plugin;
    new Setting(this.containerEl).setName(name).setDesc(description).addText(field =>
      field.setValue(settings[key]).onChange(value => {
        settings[key] = value.trim();
        return this.plugin.saveData(settings);
      }));
  }
}
