// Who is this? A picture, or the camera again and again; the decision in a sentence; "this is …" registers on the spot.
import { ask, formOf, galleryPath, newId, personPath } from "../api.js";
import { may, mayGallery } from "../caller.js";
import { drawBox } from "../drawing.js";
import { el, field, percent, replace, say } from "../elements.js";
import { called, galleryMenu, nearestText, photoResults, refusedPhotos } from "../galleries.js";
import { PicturePlace } from "../picture.js";
import { t } from "../text/languages.js";

const COLOURS = { MATCH: "#177a45", NO_MATCH: "#b3372c", AMBIGUOUS: "#8f5a00" };
const NEAREST = 3;
const CLASSES = { MATCH: "good", NO_MATCH: "bad", AMBIGUOUS: "warn" };

export function whoPage(main) {
  let live = false, gone = false;
  const place = new PicturePlace(identify);
  const gallery = galleryMenu(identify);
  const found = el("div", { id: "found" });
  const camera = el("button", { onclick: toggle }, t("identify_live"));
  main.append(
    el("div", { className: "card row" }, field(t("gallery"), gallery), field(t("choose_picture"), place.input), camera),
    el("div", { className: "split" }, place.place, el("div", { className: "card" }, found)));
  gallery.refresh();

  async function toggle() {
    if (live) { live = false; place.stopCamera(); camera.textContent = t("identify_live"); return; }
    if (!(await place.startCamera())) return;
    live = true;
    camera.textContent = t("camera_off");
    while (live && !gone) {
      if (await place.snap()) await identify();
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
  }

  async function identify() {
    if (!place.file || !gallery.value) return;
    if (!live) say(t("working"));
    try {
      const nearest = may("scores", "recognition") ? NEAREST : undefined;
      const answer = await ask(`${galleryPath(gallery.value)}/identify`, { method: "POST", form: formOf({ nearest }, { image: [place.file] }) });
      if (gone) return;
      say("");
      show(answer);
    } catch (error) {
      place.draw();
      replace(found, el("p", {}, error.message));
      if (!live) say(t("failed", { why: error.message }), true);
    }
  }

  function show(answer) {
    place.draw((context, width) => {
      for (const one of answer.faces) drawBox(context, width, one.face.box, COLOURS[one.decision], nameOf(one));
    });
    place.describe(answer.faces.map(nameOf).join(", "));
    if (found.contains(document.activeElement) && live) return;  // Somebody is typing a name.
    replace(found, el("ul", { className: "plain" }, answer.faces.map((one) => el("li", {}, describe(one)))));
  }

  function describe(one) {
    return [
      el("h2", { className: CLASSES[one.decision] }, nameOf(one)),
      el("p", {}, sentence(one)),
      one.decision !== "MATCH" && one.nearest.length > 0 && el("p", { className: "soft" }, t("nearest_people", { names: nearestText(one.nearest) })),
      one.decision === "NO_MATCH" && mayGallery(gallery.value, "write") && thisIs(one),
    ];
  }

  function thisIs(one) {
    const id = el("input", { required: true, size: 12, pattern: "\\S{1,128}", className: "person-id" });
    const name = el("input", { size: 12 });
    return el("details", {}, el("summary", {}, t("this_is")), el("form", { className: "row", onsubmit: async (event) => {
      event.preventDefault();
      const results = el("div", {});
      event.target.append(results);
      try {
        const photo = await place.crop(one.face.box);
        const made = await ask(personPath(gallery.value, id.value), { method: "POST",
          form: formOf({ display_name: name.value, add_faces: true, use_largest_face: true, request_id: newId() }, { photos: [photo] }) });
        say(t("registered", { name: name.value || id.value, n: made.person.faces.length }));
        await identify();
      } catch (error) {
        replace(results, photoResults(refusedPhotos(error)));
        say(t("failed", { why: error.message }), true);
      }
    } }, field(t("person_id"), id), field(t("display_name"), name), el("button", { className: "main" }, t("register"))));
  }
  return () => { gone = true; live = false; place.leave(); };
}


function nameOf(one) {
  if (one.decision === "MATCH") return t("match", { name: called(one.matches[0]) });
  if (one.decision === "AMBIGUOUS") return t("ambiguous", { names: one.matches.map(called).join(", ") });
  return t("no_match");
}

function sentence(one) {
  const values = { threshold: one.match_threshold.toFixed(2), rate: percent(one.expected_false_positive_identification_rate) };
  const best = one.matches[0];
  if (!best) return t("no_match_sentence", values);
  if (best.similarity === undefined) return t("match_sentence_hidden", values);
  const margin = one.margin !== undefined && one.margin < 2 ? ` ${t("margin", { margin: one.margin.toFixed(2) })}` : "";
  return t("match_sentence", { ...values, similarity: best.similarity.toFixed(2) }) + margin;
}
