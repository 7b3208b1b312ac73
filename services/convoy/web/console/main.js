// Navigation: #try, #who, #people, #models, #fleet. A page is a function that fills <main> and returns how to leave it.
import { TOKEN } from "./api.js";
import { isStranger, may, mayGallery, meet } from "./caller.js";
import { el, option, replace, say } from "./elements.js";
import { fleetPage } from "./pages/fleet.js";
import { modelsPage } from "./pages/models.js";
import { peoplePage } from "./pages/people.js";
import { tryPage } from "./pages/try.js";
import { whoPage } from "./pages/who.js";
import { choose, current, names, t } from "./text/languages.js";

const PAGES = { try: tryPage, who: whoPage, people: peoplePage, models: modelsPage, fleet: fleetPage };
const main = document.getElementById("main");
const VISION = ["classification", "detection", "segmentation", "faces"];
const MAY_SEE = {
  try: () => VISION.some((service) => may(service, service)),
  who: () => mayGallery("", "read"),
  people: () => mayGallery("", "read"),
  models: () => VISION.some((service) => may(service, service)),
  fleet: () => may("metrics"),
};
let leave = () => {};

function show() {
  const name = location.hash.slice(1).split("/")[0];
  if (name === "main") return;
  const seen = Object.keys(PAGES).filter((key) => MAY_SEE[key]()), page = seen.includes(name) ? name : seen[0];
  leave();
  say("");
  document.documentElement.lang = current();
  document.title = page ? `${t(page)} – Convoy` : "Convoy";
  document.getElementById("skip").textContent = t("skip");
  replace(document.getElementById("nav"),
    seen.map((key) => el("a", { href: `#${key}`, "aria-current": key === page ? "page" : null }, t(key))),
    el("a", { href: "docs.html" }, t("api")));
  replace(document.getElementById("tools"), languageMenu(), tokenField());
  if (!page) {
    leave = () => {};
    replace(main, el("h1", {}, "Convoy"), el("p", {}, t(isStranger() ? "token_hint" : "nothing_allowed")));
    return;
  }
  replace(main, el("h1", {}, t(page)));
  leave = PAGES[page](main) || (() => {});
}

function languageMenu() {
  const menu = el("select", { "aria-label": t("choose_language"), onchange: () => { choose(menu.value); show(); } },
    Object.entries(names).map(([code, name]) => option(code, name, code === current())));
  return menu;
}

function tokenField() {
  const input = el("input", { type: "password", id: "token", size: 10, placeholder: t("token"), title: t("token_hint"),
    "aria-label": t("token_hint"), autocomplete: "off", value: sessionStorage.getItem(TOKEN) || "",
    onchange: async () => { sessionStorage.setItem(TOKEN, input.value.trim()); await meet(); show(); } });
  return input;
}

window.addEventListener("hashchange", show);
document.getElementById("skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });
await meet();
show();
