// To add a language: a file beside this one with the keys of en.js, and a line here.
import de from "./de.js";
import en from "./en.js";

const LANGUAGES = { en, de };
const KEY = "convoy-language";
export const names = Object.fromEntries(Object.entries(LANGUAGES).map(([code, texts]) => [code, texts.language]));

export function current() {
  const wanted = [localStorage.getItem(KEY), ...navigator.languages.map((tag) => tag.slice(0, 2))];
  return wanted.find((code) => code in LANGUAGES) || "en";
}

export function choose(code) {
  localStorage.setItem(KEY, code);
}

// The text of a key, with {name} replaced.
export function t(key, values = {}) {
  const text = LANGUAGES[current()][key] ?? en[key] ?? key;
  return text.replace(/{(\w+)}/g, (_, name) => values[name] ?? "");
}
