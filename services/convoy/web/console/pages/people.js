// People: galleries, and who is in them. person.js shows one of them, enrolment.js adds some, care.js looks after all.
import { ask, galleryPath } from "../api.js";
import { mayGallery } from "../caller.js";
import { careButtons, guarded, newGallery } from "../care.js";
import { el, field, replace } from "../elements.js";
import { enrol } from "../enrolment.js";
import { galleryMenu } from "../galleries.js";
import { showPerson } from "../person.js";
import { t } from "../text/languages.js";

const PAGE = 200, PAUSE_MS = 250;

export function peoplePage(main) {
  let leave = () => {}, asked = 0, waiting = null;
  const menu = galleryMenu(load);
  const search = el("input", { type: "search", id: "search", oninput: soon });
  const tags = el("input", { type: "search", id: "tags", size: 12, oninput: soon });
  const face = el("input", { id: "face-id", size: 12, required: true });
  const rows = el("ul", { className: "plain", id: "people" }), more = el("div", {});
  const detail = el("div", { className: "card", id: "detail" }), tools = el("div", { className: "row" }), add = el("span", {});
  const page = { gallery: () => menu.value, detail, open: (id) => showPerson(page, id), reload: () => menu.refresh(menu.value, false) };
  main.append(
    el("div", { className: "card row" }, field(t("gallery"), menu), tools, mayGallery("*", "admin") && newGallery(made)),
    el("div", { className: "split" },
      el("div", { className: "card stack" },
        el("div", { className: "row" }, field(t("search"), search), field(t("tags"), tags), add), rows, more,
        el("form", { className: "row", onsubmit: (event) => { event.preventDefault(); return guarded(findFace)(); } }, field(t("face_id"), face), el("button", { id: "find-face" }, t("find")))),
      detail));
  menu.refresh();

  async function made(name) {
    sessionStorage.setItem("convoy-gallery", name);
    await menu.refresh(name);
  }

  async function load(isChosen = true) {
    if (isChosen) replace(detail);
    replace(tools, menu.value ? careButtons(page) : []);
    replace(add, menu.value && mayGallery(menu.value, "write") && el("button", { className: "main", id: "enrol", onclick: () => { leave(); leave = enrol(page); } }, t("enrol")));
    await list();
  }

  // The service finds, so that galleries of any size are searched whole.
  function soon() {
    clearTimeout(waiting);
    waiting = setTimeout(list, PAUSE_MS);
  }

  async function list() {
    const mine = ++asked;
    replace(more);
    if (!menu.value) return replace(rows, el("li", { className: "soft" }, t("nobody")));
    await guarded(() => further(mine, ""))();
  }

  async function further(mine, token) {
    const query = new URLSearchParams({ page_size: PAGE, page_token: token, name_contains: search.value.trim() });
    for (const tag of tags.value.split(",").map((one) => one.trim()).filter(Boolean)) query.append("tags", tag);
    const { people, next_page_token: next } = await ask(`${galleryPath(menu.value)}/people?${query}`);
    if (mine !== asked) return;
    if (!token) replace(rows);
    rows.append(...people.map((one) => el("li", {}, el("button", { onclick: guarded(() => page.open(one.person_id)) },
      `${one.display_name || one.person_id} · ${one.faces.length}`))));
    if (!rows.children.length && !next) replace(rows, el("li", { className: "soft" }, t(query.get("name_contains") || query.has("tags") ? "nobody_so" : "nobody")));
    replace(more, next && el("button", { onclick: guarded(() => further(mine, next)) }, t("more")));
  }

  async function findFace() {
    const { person } = await ask(`${galleryPath(menu.value)}/faces/${encodeURIComponent(face.value)}`);
    await page.open(person.person_id);
  }
  return () => { clearTimeout(waiting); leave(); };
}
