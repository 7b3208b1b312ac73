// One look at a picture by one model: what was found, drawn and listed. Try has one of them, or two side by side.
import { ask, formOf } from "./api.js";
import { colourOf, drawBox, drawLandmarks, drawPoints, layOver, paintOver, readClasses, readObject, readPng } from "./drawing.js";
import { el, field, option, percent, replace, say, table } from "./elements.js";
import { t } from "./text/languages.js";

// explain: the path that tells why; least: whether a threshold goes along with the request; start: of the slider.
export const TASKS = {
  faces: { path: "/v1/faces", service: "faces", fields: { detection_threshold: 0.1 }, least: true, start: 0.5 },
  detection: { path: "/v1/detect", explain: "/v1/detect/explain", service: "detection", fields: { detection_threshold: 0.05 }, least: true, start: 0.3 },
  classification: { path: "/v1/classify", explain: "/v1/explain", service: "classification", fields: { top_k: 10 }, start: 0 },
  segmentation: { path: "/v1/segment", explain: "/v1/segment/explain", service: "segmentation", fields: {}, start: 0.55 },
};

export class Look {
  // place: where the picture is; canvas: what to draw on; settings(): task, value of the slider, whether masks are wanted.
  constructor(place, canvas, settings, id) {
    Object.assign(this, { place, canvas, settings, answer: null, classes: null, objects: [], heat: null, running: null });
    this.model = el("select", { id, onchange: () => this.run() });
    this.modelField = field(t("model"), this.model);
    this.found = el("div", { id: id === "model" ? "found" : `found-${id}` });
    this.element = el("div", { className: "card" }, this.modelField, this.found);
  }

  async offerModels() {
    const task = TASKS[this.settings().task];
    this.forget();
    replace(this.model, option("", t("default_model")));
    this.modelField.hidden = task.service === "faces";
    if (this.modelField.hidden) return;
    try {
      const { models } = await ask(`/v1/services/${task.service}/models`);
      const good = models.filter((one) => one.state !== "REFUSED");
      this.model.append(...good.map(({ model: { name, version } }) => option(`${name}:${version}`, `${name}:${version}`)));
    } catch { /* The default model answers all the same. */ }
  }

  forget() {
    this.running?.abort();
    Object.assign(this, { answer: null, classes: null, objects: [], heat: null });
    replace(this.found);
  }

  // Asks the model and shows what it found. Gives how many entries are shown, or null.
  async run() {
    if (!this.place.file) return null;
    this.forget();
    const mine = this.running = new AbortController(), { task, masks } = this.settings(), chosen = TASKS[task];
    const fields = { ...chosen.fields, model: this.model.value, mask_formats: task === "detection" && masks ? "PNG" : undefined };
    say(t("working"));
    const began = performance.now();
    try {
      const got = await ask(chosen.path, { method: "POST", signal: mine.signal, form: formOf(fields, { image: [this.place.file] }) });
      const answer = got.results[0];
      const classes = task === "segmentation" ? await readClasses(answer.mask) : null;
      const objects = await Promise.all((answer.detections || []).map((one, place) => readObject(one.mask, colourOf(place))));
      if (mine.signal.aborted) return null;
      Object.assign(this, { answer, classes, objects });
      const kept = this.show();
      say(t("done", { n: kept, ms: Math.round(performance.now() - began) }));
      return kept;
    } catch (error) {
      if (error.name !== "AbortError") say(t("failed", { why: error.reason === "NO_MASKS" ? t("no_masks") : error.message }), true);
      return null;
    }
  }

  // Draws and lists the answer again; needs no call.
  show() {
    if (!this.place.bitmap) return 0;
    const { task, value } = this.settings();
    const kept = this.answer ? entries(task, this.answer).filter((entry) => task === "segmentation" || entry.score >= value) : [];
    paintOver(this.canvas, this.place.bitmap, (context, width) => {
      if (this.heat) return context.drawImage(this.heat, 0, 0, this.canvas.width, this.canvas.height);
      if (this.classes) layOver(context, this.classes, value);
      for (const entry of kept) {
        const mask = this.objects[entry.place], colour = colourOf(mask ? entry.place : entry.index);
        if (mask) layOver(context, mask.canvas, 0.5, mask.left, mask.top);
        if (entry.box) drawBox(context, width, entry.box, colour, `${entry.label} ${entry.score.toFixed(2)}`);
        drawLandmarks(context, width, entry.landmarks);
        drawPoints(context, width, entry.points, colour);
      }
    });
    if (!this.answer) return 0;
    this.canvas.setAttribute("aria-label", kept.map((entry) => `${entry.label} ${percent(entry.score, 0)}`).join(", ") || t("nothing_found"));
    replace(this.found, kept.length ? this.list(task, kept) : el("p", {}, t("nothing_found")));
    return kept.length;
  }

  list(task, kept) {
    const last = task === "faces" ? t("quality") : task === "segmentation" ? t("area") : t("score");
    const why = TASKS[task].explain;
    return table([t("label"), last, ...(why ? [t("why")] : [])], kept.map((entry, n) => [
      task === "faces" ? `${n + 1}` : [entry.label, entry.points?.length ? ` (${entry.points.map((point) => point.name).join(", ")})` : ""].join(""),
      task === "faces" ? `${percent(entry.quality.score, 0)} (${t("score")} ${entry.score.toFixed(2)})` : percent(entry.score),
      ...(why ? [el("button", { className: "why", "aria-label": `${t("why")} ${entry.label}`, onclick: () => this.explain(why, entry) }, t("why"))] : []),
    ]));
  }

  // Shows which places speak for an entry, or the answer again.
  async explain(path, entry) {
    if (this.heat) {
      this.heat = null;
      this.show();
      return;
    }
    say(t("working"));
    try {
      const place = entry.box && JSON.stringify(entry.box);
      const fields = { model: this.model.value, label: entry.label, place, overlay: true };
      const { explanation } = await ask(path, { method: "POST", form: formOf(fields, { image: [this.place.file] }) });
      this.heat = await readPng(explanation.overlay);
      this.show();
      say(t("explained", { label: entry.label, n: explanation.looks }));
    } catch (error) {
      say(t("failed", { why: error.message }), true);
    }
  }
}

function entries(task, answer) {
  if (task === "faces") {
    return answer.faces.map((face, place) => ({ ...face, place, index: place, label: `${t("quality")} ${percent(face.quality.score, 0)} ·`, score: face.detection_score }));
  }
  if (task === "detection") return answer.detections.map((one, place) => ({ ...one, place }));
  if (task === "classification") return answer.labels.map((label) => ({ ...label, label: label.name, score: label.probability }));
  return answer.regions.map((region) => ({ ...region, score: region.area }));
}
