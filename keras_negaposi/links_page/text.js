"use strict";
// Texts of other people: how they are shown, and how they are compared.

/** Returns the text with control and format characters as [U+202E], so that none can reorder or hide its surroundings. */
function visible(text) {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}]/gu, sign => sign === "\n" || sign === "\t" ? sign :
    "[U+" + sign.codePointAt(0).toString(16).toUpperCase().padStart(4, "0") + "]");
}

/** Returns the text without differences of width, case and kana script: ＡＢＣ ｶﾅ カナ かな. */
function folded(text) {
  return text.normalize("NFKC").toLowerCase()
    .replace(/[ァ-ヶ]/g, kana => String.fromCharCode(kana.charCodeAt(0) - 0x60));
}

/** Returns the text, or its first `most` characters and "…". */
function shortened(text, most) {
  const signs = Array.from(text.slice(0, 2 * most));
  return signs.length <= most && text.length <= 2 * most ? text : signs.slice(0, most).join("") + "…";
}
