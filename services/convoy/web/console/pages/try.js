// Try: a picture, a model, and what it finds. Sliders redraw without a new call.
import { ask, formOf } from "../api.js";
import { el, field, option, percent, replace, say } from "../elements.js";
import { PicturePlace, colourOf, drawBox, drawLandmarks } from "../picture.js";
import { t } from "../text/languages.js";

const TASKS = {
  faces: { path: "/v1/faces", service: "faces", fields: { detection_threshold: 0.1 }, start: 0.5 },
  detection: { path: "/v1/detect", service: "detection", fields: { detection_threshold: 0.05 }, start: 0.3 },
  classification: { path: "/v1/classify", service: "classification", fields: { top_k: 10 }, start: 0 },
  segmentation: { path: "/v1/segment", service: "segmentation", fields: {}, start: 0.55 },
};
const PYTHON = { faces: "detect_faces", detection: "detect", classification: "classify", segmentation: "segment" };

export function tryPage(main) {
  let answer = null, mask = null, running = null;
  const place = new PicturePlace(run);
  const task = el("select", { id: "task", onchange: changed }, Object.keys(TASKS).map((key) => option(key, t(key))));
  const model = el("select", { id: "model", onchange: run });
  const modelField = field(t("model"), model);
  const slider = el("input", { type: "range", id: "slider", min: 0, max: 1, step: 0.01, oninput: show });
  const sliderText = el("span", {});
  const found = el("div", { id: "found" });
  const command = el("pre", { id: "command", tabIndex: 0 }), python = el("pre", { tabIndex: 0 });
  main.append(
    el("div", { className: "card row" }, field(t("choose_picture"), place.input), field(t("task"), task), modelField,
      el("label", {}, sliderText, slider)),
    el("div", { className: "split" }, place.place, el("div", { className: "card" }, found)),
    el("div", { className: "card" }, el("h2", {}, t("as_command")), command, el("h2", {}, t("as_python")), python));
  changed();

  async function changed() {
    const chosen = TASKS[task.value];
    answer = null;
    slider.value = chosen.start;
    tell();
    replace(model, option("", t("default_model")));
    modelField.hidden = task.value === "faces";
    if (!modelField.hidden) {
      try {
        const { models } = await ask(`/v1/services/${chosen.service}/models`);
        const good = models.filter((one) => one.state !== "REFUSED");
        model.append(...good.map(({ model: { name, version } }) => option(`${name}:${version}`, `${name}:${version}`)));
      } catch { /* The default model answers all the same. */ }
    }
    await run();
  }

  async function run() {
    if (!place.file) return;
    running?.abort();
    const mine = running = new AbortController();
    const chosen = TASKS[task.value];
    say(t("working"));
    const began = performance.now();
    try {
      const got = await ask(chosen.path, {
        method: "POST", signal: mine.signal, form: formOf({ ...chosen.fields, model: model.value }, { image: [place.file] }),
      });
      answer = got.results[0];
      mask = task.value === "segmentation" ? await readMask(answer.mask) : null;
      say("");
      show(Math.round(performance.now() - began));
    } catch (error) {
      if (error.name !== "AbortError") say(t("failed", { why: error.message }), true);
    }
  }

  function show(ms) {
    tell();
    if (!answer) return;
    const least = Number(slider.value), kind = task.value;
    const kept = entries(kind, answer).filter((entry) => kind === "segmentation" || entry.score >= least);
    place.draw((context, width) => {
      if (mask) paint(context, mask, least);
      for (const entry of kept) {
        if (entry.box) drawBox(context, width, entry.box, colourOf(entry.index), `${entry.label} ${entry.score.toFixed(2)}`);
        drawLandmarks(context, width, entry.landmarks);
      }
    });
    const words = kept.map((entry) => `${entry.label} ${percent(entry.score, 0)}`).join(", ") || t("nothing_found");
    place.describe(words);
    replace(found, kept.length ? table(kind, kept) : el("p", {}, t("nothing_found")));
    if (typeof ms === "number") say(t("done", { n: kept.length, ms }));
  }

  function tell() {
    const { path } = TASKS[task.value], kind = task.value;
    sliderText.textContent = `${t(kind === "segmentation" ? "opacity" : "threshold")}: ${Number(slider.value).toFixed(2)}`;
    const sent = model.value ? ` -F model=${model.value}` : "";
    const least = ["faces", "detection"].includes(kind) ? Number(slider.value).toFixed(2) : "";
    command.textContent = `curl -F image=@photo.jpg${sent}${least && ` -F detection_threshold=${least}`} ${location.origin}${path}`;
    const options = [model.value && `model="${model.value}"`, least && `detection_threshold=${least}`].filter(Boolean);
    python.textContent = `from convoy import Convoy\n\nwith Convoy() as convoy:\n    print(convoy.${PYTHON[kind]}(${["\"photo.jpg\"", ...options].join(", ")}))`;
  }
  return () => { running?.abort(); place.leave(); };
}

function entries(kind, answer) {
  if (kind === "faces") {
    return answer.faces.map((face, index) => ({ ...face, index, label: t("quality"), score: face.detection_score, quality: face.quality }));
  }
  if (kind === "detection") return answer.detections;
  if (kind === "classification") return answer.labels.map((label) => ({ ...label, label: label.name, score: label.probability }));
  return answer.regions.map((region) => ({ ...region, score: region.area }));
}

function table(kind, kept) {
  const last = kind === "faces" ? t("quality") : kind === "segmentation" ? t("area") : t("score");
  return el("div", { className: "wide", tabIndex: 0 }, el("table", {},
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, t("label")), el("th", { scope: "col" }, last))),
    el("tbody", {}, kept.map((entry, place) => el("tr", {},
      el("td", {}, kind === "faces" ? `${place + 1}` : entry.label),
      el("td", {}, kind === "faces" ? `${percent(entry.quality.score, 0)} (${t("score")} ${entry.score.toFixed(2)})` : percent(entry.score)))))));
}

async function readMask(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }), { colorSpaceConversion: "none" });
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height);
}

function paint(context, mask, opacity) {
  const painted = new OffscreenCanvas(mask.width, mask.height), into = painted.getContext("2d");
  const colours = new Map(), image = into.createImageData(mask.width, mask.height);
  for (let place = 0; place < mask.data.length; place += 4) {
    const index = mask.data[place];
    if (!colours.has(index)) {
      into.fillStyle = colourOf(index);
      into.fillRect(0, 0, 1, 1);
      colours.set(index, into.getImageData(0, 0, 1, 1).data);
    }
    image.data.set(colours.get(index), place);
  }
  into.putImageData(image, 0, 0);
  context.globalAlpha = opacity;
  context.drawImage(painted, 0, 0);
  context.globalAlpha = 1;
}
