// What is done with a gallery as a whole: duplicates, faces unlike their person, changes, export, import, deletion.
import { ask, fetched, galleryPath, listAll, newId } from "./api.js";
import { mayGallery } from "./caller.js";
import { confirmed, el, field, replace, say, table } from "./elements.js";
import { ERASING, download, receiptOf } from "./receipt.js";
import { t } from "./text/languages.js";

const LONG = { "Connect-Timeout-Ms": "3600000" };
export const guarded = (work) => async (...values) => {
  try { return await work(...values); } catch (error) { say(t("failed", { why: error.message }), true); }
};
const similar = (value) => (value === undefined ? "" : ` (${value.toFixed(2)})`);

// page: gallery() its name, detail where things are shown, open(person id), reload() after changes.
export function careButtons(page) {
  const reads = [["duplicates", duplicates], ["disagreements", disagreements]], admins = [["audit", audit], ["transfer", transfer]];
  const shown = [...reads, ...(mayGallery(page.gallery(), "admin") ? admins : [])];
  return shown.map(([key, work]) => el("button", { id: `${key}-button`, onclick: guarded(() => work(page)) }, t(key)));
}

const person = (page, id) => el("button", { onclick: guarded(() => page.open(id)) }, id);

async function duplicates(page) {
  const found = await listAll(`${galleryPath(page.gallery())}/duplicates`, "duplicates");
  replace(page.detail, el("h2", {}, t("duplicates")), found.length ? el("ul", { className: "plain" }, found.map((pair) => el("li", { className: "row" },
    person(page, pair.person_id), person(page, pair.other_person_id), similar(pair.similarity)))) : el("p", {}, t("no_duplicates")));
}

async function disagreements(page) {
  const found = await listAll(`${galleryPath(page.gallery())}/disagreements`, "disagreements");
  replace(page.detail, el("h2", {}, t("disagreements")), found.length ? el("ul", { className: "plain" }, found.map((one) => el("li", { className: "row" },
    person(page, one.person_id), `${one.reason} ${one.other_person_id}${similar(one.similarity)}`))) : el("p", {}, t("no_disagreements")));
}

async function audit(page) {
  const gallery = page.gallery(), { events } = await ask(`${galleryPath(gallery)}/audit?page_size=100`);
  const receipt = (version) => el("button", { onclick: guarded(async () => replace(page.detail, await receiptOf(gallery, version))) }, t("receipt"));
  replace(page.detail, el("h2", {}, t("audit")), table(["time", "actor", "action", "person", "outcome", "version", "receipt"].map(t), events.map((one) => [
    new Date(one.time).toLocaleString(), one.actor, one.action, one.person_id, one.outcome, one.version, ERASING.includes(one.action) ? receipt(one.version) : ""])));
}

const secret = (words) => (words ? { "Convoy-Passphrase": btoa(String.fromCharCode(...new TextEncoder().encode(words))) } : {});

async function transfer(page) {
  const gallery = page.gallery();
  const words = el("input", { type: "password", id: "passphrase", autocomplete: "off" }), file = el("input", { type: "file", id: "gallery-file" });
  const done = el("p", { id: "transferred", role: "status" });
  replace(page.detail, el("h2", {}, t("transfer")), el("p", { className: "soft" }, t("transfer_hint")),
    el("div", { className: "row" }, field(t("passphrase"), words), el("button", { id: "export", onclick: guarded(async () => {
      say(t("working"));
      const answer = await fetched(`${galleryPath(gallery)}/export`, { method: "POST", headers: { ...LONG, ...secret(words.value) } });
      download(`${gallery}.gallery`, await answer.blob());
      say(t("exported"));
    }) }, t("export"))),
    el("form", { className: "row", onsubmit: (event) => { event.preventDefault(); return guarded(take)(); } }, field(t("gallery_file"), file), el("button", { id: "import" }, t("import"))), done,
    el("button", { className: "danger", id: "remove-gallery", onclick: guarded(remove) }, t("remove_gallery")));

  async function take() {
    if (!file.files[0]) return;
    say(t("working"));
    const headers = { "Content-Type": "application/octet-stream", ...LONG, ...secret(words.value) };
    const counts = await ask(`${galleryPath(gallery)}/import`, { method: "POST", body: file.files[0], headers });
    const told = t("imported", { n: counts.people_imported, faces: counts.faces_imported, unchanged: counts.people_unchanged });
    await page.reload();
    say(told);
  }

  async function remove() {
    if (!(await confirmed(t("remove_gallery_sure", { name: gallery }), t("remove"), t("cancel")))) return;
    const { people_deleted: n, faces_deleted: faces } = await ask(galleryPath(gallery), { method: "DELETE" });
    await page.reload();
    replace(page.detail);
    say(t("gallery_removed", { name: gallery, n, faces }));
  }
}

// A form for a new gallery, for those who may make one.
export function newGallery(made) {
  const name = el("input", { id: "new-gallery", size: 12, required: true, pattern: "[a-z0-9_\\-]{1,64}" });
  return el("form", { className: "row", onsubmit: async (event) => {
    event.preventDefault();
    await guarded(async () => {
      await ask("/v1/galleries", { method: "POST", json: { gallery: name.value, request_id: newId() } });
      await made(name.value);
      name.value = "";
      say("");
    })();
  } }, field(t("new_gallery"), name), el("button", { id: "make-gallery" }, t("make")));
}
