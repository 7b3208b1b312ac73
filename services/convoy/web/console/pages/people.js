// People: galleries, who is in them, enrolment by files or camera with hints, changes, deletion with its receipt.
import { ask, formOf, galleryPath, listAll, newId, personPath } from "../api.js";
import { confirmed, el, field, percent, replace, say } from "../elements.js";
import { galleryMenu, photoResults, refusedPhotos } from "../galleries.js";
import { PicturePlace, drawBox } from "../picture.js";
import { t } from "../text/languages.js";

export function peoplePage(main) {
  let people = [], gone = false, place = null;
  const gallery = galleryMenu(load);
  const search = el("input", { type: "search", id: "search", oninput: list });
  const rows = el("ul", { className: "plain", id: "people" });
  const detail = el("div", { className: "card", id: "detail" });
  main.append(
    el("div", { className: "card row" }, field(t("gallery"), gallery), newGallery(),
      el("button", { onclick: () => duplicates() }, t("duplicates")), el("button", { onclick: () => audit() }, t("audit"))),
    el("div", { className: "split" },
      el("div", { className: "card" }, el("div", { className: "row" }, field(t("search"), search),
        el("button", { className: "main", id: "enrol", onclick: enrol }, t("enrol"))), rows),
      detail));
  gallery.refresh();

  const guarded = (work) => async (...values) => {
    try { return await work(...values); } catch (error) { say(t("failed", { why: error.message }), true); }
  };

  function newGallery() {
    const name = el("input", { id: "new-gallery", size: 12, required: true, pattern: "[a-z0-9_-]{1,64}" });
    return el("form", { className: "row", onsubmit: async (event) => {
      event.preventDefault();
      await guarded(async () => {
        await ask("/v1/galleries", { method: "POST", json: { gallery: name.value, request_id: newId() } });
        sessionStorage.setItem("convoy-gallery", name.value);
        await gallery.refresh(name.value);
        name.value = "";
        say("");
      })();
    } }, field(t("new_gallery"), name), el("button", { id: "make-gallery" }, t("make")));
  }

  async function load() {
    replace(detail);
    people = [];
    if (gallery.value) people = (await guarded(() => listAll(`${galleryPath(gallery.value)}/people`, "people"))()) || [];
    list();
  }

  function list() {
    const wanted = search.value.toLowerCase();
    const shown = people.filter((one) => `${one.person_id} ${one.display_name} ${one.tags.join(" ")}`.toLowerCase().includes(wanted));
    replace(rows, shown.slice(0, 200).map((one) => el("li", {}, el("button", { onclick: guarded(() => open(one.person_id)) },
      `${one.display_name || one.person_id} · ${one.faces.length}`))));
    if (!people.length) replace(rows, el("li", { className: "soft" }, t("nobody")));
  }

  async function open(id) {
    const { person } = await ask(personPath(gallery.value, id));
    const name = el("input", { value: person.display_name });
    const tags = el("input", { value: person.tags.join(", ") });
    const expires = el("input", { type: "date", value: (person.expire_time || "").slice(0, 10) });
    const other = el("input", { size: 12, required: true });
    replace(detail, el("h2", {}, person.display_name || person.person_id), el("p", { className: "soft" }, person.person_id),
      el("form", { className: "row", onsubmit: async (event) => {
        event.preventDefault();
        await guarded(async () => {
          const now = tags.value.split(",").map((tag) => tag.trim()).filter(Boolean);
          const json = { display_name: name.value, add_tags: now, remove_tags: person.tags.filter((tag) => !now.includes(tag)) };
          if (expires.value || person.expire_time) json.expire_time = expires.value ? `${expires.value}T00:00:00Z` : "1970-01-01T00:00:00Z";
          await ask(personPath(gallery.value, id), { method: "PATCH", json });
          say(t("saved"));
          await load();
          await open(id);
        })();
      } }, field(t("display_name"), name), field(t("tags"), tags), field(t("expires"), expires), el("button", {}, t("save"))),
      el("h2", {}, t("faces_on_record")), el("p", { className: "soft" }, t("no_picture_kept")),
      el("ul", { className: "plain" }, person.faces.map((face) => el("li", { className: "row" },
        el("span", {}, `${t("quality")} ${percent(face.quality, 0)} · ${new Date(face.create_time).toLocaleString()} ${face.label}`),
        el("button", { "aria-label": `${t("remove_face")} ${face.face_id}`, onclick: guarded(async () => {
          await ask(`${personPath(gallery.value, id)}/faces/${encodeURIComponent(face.face_id)}`, { method: "DELETE" });
          await load();
          await open(id);
        }) }, t("remove_face"))))),
      el("form", { className: "row", onsubmit: async (event) => {
        event.preventDefault();
        await guarded(async () => {
          const json = { merged_person_id: other.value, request_id: newId() };
          await ask(`${personPath(gallery.value, id)}/merge`, { method: "POST", json });
          await load();
          await open(id);
          say(t("merged"));
        })();
      } }, field(`${t("merge_into")}: ${t("person_id")}`, other), el("button", {}, t("merge"))),
      el("button", { className: "danger", id: "remove", onclick: guarded(() => remove(person)) }, t("remove")));
  }

  async function remove(person) {
    const name = person.display_name || person.person_id;
    if (!(await confirmed(t("remove_person", { name }), t("remove"), t("cancel")))) return;
    const receipt = await ask(personPath(gallery.value, person.person_id), { method: "DELETE" });
    await load();
    replace(detail, el("p", { id: "receipt" }, t("removed", { name, n: receipt.faces_deleted, version: receipt.version })));
  }

  function enrol() {
    place?.leave();
    const photos = [];
    const id = el("input", { id: "person-id", required: true, pattern: "\\S{1,128}" }), name = el("input", { id: "display-name" });
    const files = el("input", { type: "file", id: "photos", multiple: true, accept: "image/*" });
    const results = el("div", { id: "results" }), hint = el("p", { role: "status", id: "hint" }), count = el("p", {});
    const snap = el("button", { type: "button", hidden: true, onclick: () => { photos.push(place.file); count.textContent = `${t("photos")}: ${photos.length}`; } }, t("take_photo"));
    place = new PicturePlace(() => {});
    place.place.hidden = true;
    replace(detail, el("h2", {}, t("enrol")), el("form", { className: "row", onsubmit: async (event) => {
      event.preventDefault();
      const all = [...files.files, ...photos];
      const labels = all.map((file) => file.name.slice(0, 200));
      say(t("working"));
      try {
        const made = await ask(personPath(gallery.value, id.value), { method: "POST", form: formOf(
          { display_name: name.value, add_faces: true, photo_labels: labels, request_id: newId() }, { photos: all }) });
        place.leave();
        await load();
        await open(id.value);
        detail.append(el("h2", {}, t("photos")), photoResults(made.results));
        say(t("registered", { name: name.value || id.value, n: made.results.filter((one) => one.accepted).length }));
      } catch (error) {
        replace(results, photoResults(refusedPhotos(error)));
        say(t("failed", { why: error.message }), true);
      }
    } }, field(t("person_id"), id), field(t("display_name"), name), field(t("photos"), files),
      el("button", { type: "button", onclick: () => camera(snap, hint) }, t("camera")), snap,
      el("button", { className: "main", id: "register" }, t("register"))), hint, count, place.place, results);
    id.focus();
  }

  async function camera(snap, hint) {
    const mine = place;
    if (!(await mine.startCamera())) return;
    mine.place.hidden = snap.hidden = false;
    while (mine.stream && !gone) {
      if (await mine.snap()) {
        const { results } = await ask("/v1/faces", { method: "POST", form: formOf({}, { image: [mine.file] }) }).catch(() => ({ results: [{ faces: [] }] }));
        mine.draw((context, width) => { for (const face of results[0].faces) drawBox(context, width, face.box, "#1d6fd1"); });
        hint.textContent = advice(results[0].faces);
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  const duplicates = guarded(async () => {
    const found = await listAll(`${galleryPath(gallery.value)}/duplicates`, "duplicates");
    replace(detail, el("h2", {}, t("duplicates")), found.length ? el("ul", {}, found.map((pair) => el("li", {},
      `${pair.person_id} – ${pair.other_person_id}${pair.similarity === undefined ? "" : ` (${pair.similarity.toFixed(2)})`}`))) : el("p", {}, t("no_duplicates")));
  });

  const audit = guarded(async () => {
    const { events } = await ask(`${galleryPath(gallery.value)}/audit?page_size=100`);
    const head = ["time", "actor", "action", "person", "outcome"];
    replace(detail, el("h2", {}, t("audit")), el("div", { className: "wide", tabIndex: 0 }, el("table", {},
      el("thead", {}, el("tr", {}, head.map((key) => el("th", { scope: "col" }, t(key))))),
      el("tbody", {}, events.map((one) => el("tr", {}, [new Date(one.time).toLocaleString(), one.actor, one.action, one.person_id, one.outcome]
        .map((text) => el("td", {}, text))))))));
  });
  return () => { gone = true; place?.leave(); };
}

function advice(faces) {
  if (!faces.length) return t("hint_none");
  if (faces.length > 1) return t("hint_one");
  const { size, exposure, sharpness, frontality } = faces[0].quality;
  if (size < 0.5) return t("hint_closer");
  if (exposure < 0.5) return t("hint_dark");
  if (sharpness < 0.5) return t("hint_still");
  if (frontality < 0.5) return t("hint_front");
  return t("hint_good");
}
