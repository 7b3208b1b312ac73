// One person: name, tags, expiry, faces, another id, merging, deletion with its receipt.
import { ask, newId, personPath } from "./api.js";
import { mayGallery } from "./caller.js";
import { guarded } from "./care.js";
import { confirmed, el, field, percent, replace, say } from "./elements.js";
import { receiptOf } from "./receipt.js";
import { t } from "./text/languages.js";

const NEVER = "1970-01-01T00:00:00Z";
const ID = "\\S{1,128}";

// Shows a person in page.detail.
export async function showPerson(page, id) {
  const gallery = page.gallery(), path = personPath(gallery, id), { person } = await ask(path);
  const writes = mayGallery(gallery, "write");
  replace(page.detail, el("h2", {}, person.display_name || person.person_id), el("p", { className: "soft" }, person.person_id),
    writes ? facts(page, person, path) : el("p", {}, person.tags.join(", ")),
    el("h2", {}, t("faces_on_record")), el("p", { className: "soft" }, t(person.faces.length ? "no_picture_kept" : "no_faces")), faces(page, person, path, writes),
    ...(writes ? [rename(page, person, path), merge(page, person, path),
      el("button", { className: "danger", id: "remove", onclick: guarded(() => remove(page, person, path)) }, t("remove"))] : []));
}

const form = (work, ...children) => el("form", { className: "row", onsubmit: (event) => { event.preventDefault(); return guarded(work)(); } }, children);

function facts(page, person, path) {
  const name = el("input", { value: person.display_name }), tags = el("input", { value: person.tags.join(", ") });
  const expires = el("input", { type: "date", value: (person.expire_time || "").slice(0, 10) });
  return form(async () => {
    const now = tags.value.split(",").map((tag) => tag.trim()).filter(Boolean);
    const json = { display_name: name.value, add_tags: now, remove_tags: person.tags.filter((tag) => !now.includes(tag)) };
    if (expires.value || person.expire_time) json.expire_time = expires.value ? `${expires.value}T00:00:00Z` : NEVER;
    await ask(path, { method: "PATCH", json });
    await page.reload();
    await showPerson(page, person.person_id);
    say(t("saved"));
  }, field(t("display_name"), name), field(t("tags"), tags), field(t("expires"), expires), el("button", {}, t("save")));
}

function faces(page, person, path, writes) {
  return el("ul", { className: "plain" }, person.faces.map((face) => el("li", { className: "row" },
    el("span", {}, `${t("quality")} ${percent(face.quality, 0)} · ${new Date(face.create_time).toLocaleString()} ${face.label}`),
    writes && el("button", { "aria-label": `${t("remove_face")} ${face.face_id}`, onclick: guarded(async () => {
      const { version } = await ask(`${path}/faces/${encodeURIComponent(face.face_id)}`, { method: "DELETE" });
      await page.reload();
      await showPerson(page, person.person_id);
      if (mayGallery(page.gallery(), "admin")) page.detail.append(await receiptOf(page.gallery(), version));
    }) }, t("remove_face")))));
}

function rename(page, person, path) {
  const other = el("input", { size: 12, required: true, pattern: ID, id: "new-id" });
  return form(async () => {
    const made = await ask(`${path}/rename`, { method: "POST", json: { new_person_id: other.value, request_id: newId() } });
    await page.reload();
    await showPerson(page, made.person.person_id);
    say(t("renamed", { id: made.person.person_id }));
  }, field(t("new_id"), other), el("button", { id: "rename" }, t("rename")));
}

function merge(page, person, path) {
  const other = el("input", { size: 12, required: true });
  return form(async () => {
    await ask(`${path}/merge`, { method: "POST", json: { merged_person_id: other.value, request_id: newId() } });
    await page.reload();
    await showPerson(page, person.person_id);
    say(t("merged"));
  }, field(`${t("merge_into")}: ${t("person_id")}`, other), el("button", {}, t("merge")));
}

async function remove(page, person, path) {
  const name = person.display_name || person.person_id, gallery = page.gallery();
  if (!(await confirmed(t("remove_person", { name }), t("remove"), t("cancel")))) return;
  const { faces_deleted: n, version } = await ask(path, { method: "DELETE" });
  await page.reload();
  replace(page.detail, el("p", { id: "receipt" }, t("removed", { name, n, version })));
  page.detail.append(mayGallery(gallery, "admin") ? await receiptOf(gallery, version) : el("p", {}, t("receipt_elsewhere", { version })));
}
