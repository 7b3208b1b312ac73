// Try: a picture, one model or two, and what they find. Sliders redraw without a new call.
import { may } from "../caller.js";
import { el, field, option, replace, say } from "../elements.js";
import { followFilm } from "../film.js";
import { Look, TASKS } from "../look.js";
import { PicturePlace } from "../picture.js";
import { t } from "../text/languages.js";

const PYTHON = { faces: "detect_faces", detection: "detect", classification: "classify", segmentation: "segment" };

export function tryPage(main) {
  const tasks = Object.keys(TASKS).filter((key) => may(TASKS[key].service, TASKS[key].service));
  const place = new PicturePlace(run);
  const task = el("select", { id: "task", onchange: changed }, tasks.map((key) => option(key, t(key))));
  const slider = el("input", { type: "range", id: "slider", min: 0, max: 1, step: 0.01, oninput: show });
  const sliderText = el("span", {});
  const masks = el("input", { type: "checkbox", id: "masks", onchange: run });
  const masksField = el("label", { className: "inline" }, masks, t("masks_of_objects"));
  const compare = el("input", { type: "checkbox", id: "compare", checked: location.hash.endsWith("/compare"), onchange: changed });
  const compareField = el("label", { className: "inline" }, compare, t("compare"));
  const film = el("input", { type: "file", accept: "video/*", id: "film", onchange: followIt });
  const filmField = field(t("film"), film), filmPlace = el("div", { className: "row", hidden: true });
  const snap = el("button", { id: "snap", hidden: true, onclick: shoot }, t("take_photo"));
  const camera = el("button", { id: "camera", onclick: async () => { snap.hidden = place.video.hidden = !(await place.startCamera()); } }, t("camera"));
  const settings = () => ({ task: task.value, value: Number(slider.value), masks: masks.checked });
  const second = el("canvas", { role: "img", "aria-label": "", hidden: true });
  const looks = [new Look(place, place.canvas, settings, "model"), new Look(place, second, settings, "model-2")];
  const shown = () => (compare.checked && task.value !== "faces" ? looks : looks.slice(0, 1));
  const columns = el("div", { className: "split" });
  const command = el("pre", { id: "command", tabIndex: 0 }), python = el("pre", { tabIndex: 0 });
  main.append(
    el("div", { className: "card row" }, field(t("choose_picture"), place.input), camera, snap, field(t("task"), task),
      el("label", {}, sliderText, slider), masksField, compareField, filmField),
    filmPlace, columns,
    el("div", { className: "card" }, el("h2", {}, t("as_command")), command, el("h2", {}, t("as_python")), python));
  changed();

  async function changed() {
    slider.value = TASKS[task.value].start;
    compareField.hidden = task.value === "faces";
    masksField.hidden = filmField.hidden = task.value !== "detection";
    filmPlace.hidden = true;
    const [first, other] = looks, both = shown().length === 2;
    columns.className = both ? "split pair" : "split";
    if (both) {
      replace(columns, el("div", { className: "stack" }, place.place, first.element), el("div", { className: "stack" }, el("div", { className: "drop" }, second), other.element));
    } else {
      replace(columns, place.place, first.element);
    }
    tell();
    await Promise.all(shown().map((look) => look.offerModels()));
    if (both && other.model.options.length > 1) other.model.selectedIndex = other.model.options.length - 1;
    await run();
  }

  async function run() {
    tell();
    await Promise.all(shown().map((look) => look.run()));
  }

  function show() {
    tell();
    for (const look of shown()) look.show();
  }

  async function shoot() {
    if (!(await place.snap())) return;
    snap.hidden = place.video.hidden = true;
    place.stopCamera();
    await run();
  }

  async function followIt() {
    if (!film.files[0]) return;
    say(t("working"));
    try {
      const shown = await followFilm(film.files[0], looks[0].model.value, Number(slider.value), place.canvas);
      place.hint.hidden = true;
      replace(filmPlace, shown);
      filmPlace.hidden = false;
    } catch (error) {
      say(t("failed", { why: error.message }), true);
    }
  }

  function tell() {
    const { path, least } = TASKS[task.value], kind = task.value, model = looks[0].model.value;
    sliderText.textContent = `${t(kind === "segmentation" ? "opacity" : "threshold")}: ${Number(slider.value).toFixed(2)}`;
    const score = least ? Number(slider.value).toFixed(2) : "", wanted = kind === "detection" && masks.checked;
    const sent = [model && ` -F model=${model}`, score && ` -F detection_threshold=${score}`, wanted && " -F mask_formats=PNG"].filter(Boolean).join("");
    command.textContent = `curl -F image=@photo.jpg${sent} ${location.origin}${path}`;
    const options = [model && `model="${model}"`, score && `detection_threshold=${score}`, wanted && "masks=True"].filter(Boolean);
    python.textContent = `from convoy import Convoy\n\nwith Convoy() as convoy:\n    print(convoy.${PYTHON[kind]}(${["\"photo.jpg\"", ...options].join(", ")}))`;
  }
  return () => { for (const look of looks) look.forget(); place.leave(); };
}
