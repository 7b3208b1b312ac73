// Navigation: #try, #who, #people, #models, #fleet. A page is a function that fills <main> and returns how to leave it.
import { TOKEN } from "./api.js";
import { el, field, option, replace, say } from "./elements.js";
import { fleetPage } from "./pages/fleet.js";
import { modelsPage } from "./pages/models.js";
import { peoplePage } from "./pages/people.js";
import { tryPage } from "./pages/try.js";
import { whoPage } from "./pages/who.js";
import { choose, current, names, t } from "./text/languages.js";

const PAGES = { try: tryPage, who: whoPage, people: peoplePage, models: modelsPage, fleet: fleetPage };
const main = document.getElementById("main");
let leave = () => {};

function show() {
  const name = location.hash.slice(1).split("/")[0];
  if (name === "main") return;
  const page = Object.hasOwn(PAGES, name) ? name : "try";
  leave();
  say("");
  document.documentElement.lang = current();
  document.title = `${t(page)} – Convoy`;
  document.getElementById("skip").textContent = t("skip");
  replace(document.getElementById("nav"),
    Object.keys(PAGES).map((key) => el("a", { href: `#${key}`, "aria-current": key === page ? "page" : null }, t(key))),
    el("a", { href: "docs.html" }, t("api")));
  replace(document.getElementById("tools"), languageMenu(), tokenField());
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
    onchange: () => { sessionStorage.setItem(TOKEN, input.value.trim()); show(); } });
  return input;
}

window.addEventListener("hashchange", show);
document.getElementById("skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });
show();
