// Enrolment: a person by files, a folder or the camera with hints, or without photos; what became of each photo.
import { ask, formOf, galleryPath, newId, personPath } from "./api.js";
import { may } from "./caller.js";
import { drawBox } from "./drawing.js";
import { el, field, replace, say } from "./elements.js";
import { nearestText, photoResults, refusedPhotos } from "./galleries.js";
import { PicturePlace } from "./picture.js";
import { showPerson } from "./person.js";
import { t } from "./text/languages.js";

const PAUSE_MS = 100, POOR = 0.5, NEAREST = 4;

// Shows the form in page.detail; gives how to leave it.
export function enrol(page) {
  const photos = [], place = new PicturePlace(() => {});
  const id = el("input", { id: "person-id", required: true, pattern: "\\S{1,128}" }), name = el("input", { id: "display-name" });
  const files = el("input", { type: "file", id: "photos", multiple: true, accept: "image/*" });
  const folder = el("input", { type: "file", id: "folder", webkitdirectory: true });
  const results = el("div", { id: "results" }), hint = el("p", { role: "status", id: "hint" }), count = el("p", {});
  const snap = el("button", { type: "button", hidden: true, onclick: () => { photos.push(place.file); count.textContent = `${t("photos")}: ${photos.length}`; } }, t("take_photo"));
  place.place.hidden = true;
  replace(page.detail, el("h2", {}, t("enrol")), el("form", { className: "row", onsubmit: register }, field(t("person_id"), id), field(t("display_name"), name),
    field(t("photos"), files), field(t("folder"), folder), el("button", { type: "button", onclick: () => watch(place, snap, hint) }, t("camera")), snap,
    el("button", { className: "main", id: "register" }, t("register"))), el("p", { className: "soft" }, t("without_photos")), hint, count, place.place, results);
  id.focus();
  return () => place.leave();

  async function register(event) {
    event.preventDefault();
    const all = [...files.files, ...[...folder.files].filter((file) => file.type.startsWith("image/")), ...photos];
    const gallery = page.gallery(), path = personPath(gallery, id.value), about = { display_name: name.value, request_id: newId() };
    say(t("working"));
    try {
      if (!all.length) {
        await ask(path, { method: "PUT", json: about });
      } else {
        const labels = all.map((file) => file.name.slice(0, 200));
        const made = await ask(path, { method: "POST", form: formOf({ ...about, add_faces: true, photo_labels: labels }, { photos: all }) });
        results.made = made.results;
      }
      place.leave();
      await page.reload();
      await showPerson(page, id.value);
      const made = results.made || [];
      if (made.length) page.detail.append(el("h2", {}, t("photos")), photoResults(made), await nearestOf(gallery, id.value, all.filter((_, n) => made[n].accepted)));
      say(t("registered", { name: name.value || id.value, n: made.filter((one) => one.accepted).length }));
    } catch (error) {
      replace(results, photoResults(refusedPhotos(error)));
      say(t("failed", { why: error.message }), true);
    }
  }
}

// Whom the first accepted photo resembles beside the person: so one sees at once who may be confused with whom.
async function nearestOf(gallery, id, accepted) {
  const place = el("p", { id: "nearest" });
  if (!accepted.length || !may("scores", "recognition")) return place;
  const fields = { nearest: NEAREST, selection: "LARGEST" };
  const answer = await ask(`${galleryPath(gallery)}/identify`, { method: "POST", form: formOf(fields, { image: accepted.slice(0, 1) }) }).catch(() => null);
  const others = (answer?.faces[0]?.nearest || []).filter((one) => one.person_id !== id);
  place.textContent = others.length ? t("nearest_people", { names: nearestText(others) }) : t("nobody_near");
  return place;
}

async function watch(place, snap, hint) {
  if (!(await place.startCamera())) return;
  place.place.hidden = snap.hidden = false;
  while (place.stream) {
    if (await place.snap()) {
      const { results } = await ask("/v1/faces", { method: "POST", form: formOf({}, { image: [place.file] }) }).catch(() => ({ results: [{ faces: [] }] }));
      place.draw((context, width) => { for (const face of results[0].faces) drawBox(context, width, face.box, "#1d6fd1"); });
      hint.textContent = advice(results[0].faces);
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

function advice(faces) {
  if (!faces.length) return t("hint_none");
  if (faces.length > 1) return t("hint_one");
  const { size, exposure, sharpness, frontality } = faces[0].quality;
  if (size < POOR) return t("hint_closer");
  if (exposure < POOR) return t("hint_dark");
  if (sharpness < POOR) return t("hint_still");
  if (frontality < POOR) return t("hint_front");
  return t("hint_good");
}
