// A place for one picture: dropped, pasted, chosen or taken by the camera; and what is drawn over it.
import { el, say } from "./elements.js";
import { t } from "./text/languages.js";

const COLOURS = 0.381966;
export const colourOf = (index) => `hsl(${Math.round(360 * ((0.58 + index * COLOURS) % 1))} 75% 45%)`;

export class PicturePlace {
  // onPicture: called with the file when there is a new one.
  constructor(onPicture) {
    this.onPicture = onPicture;
    this.canvas = el("canvas", { hidden: true, role: "img", "aria-label": "" });
    this.hint = el("p", {}, t("drop_here"));
    this.video = el("video", { hidden: true, muted: true, playsInline: true });
    this.file = null;
    this.bitmap = null;
    this.place = el("div", { className: "drop",
      ondragover: (event) => { event.preventDefault(); this.place.classList.add("over"); },
      ondragleave: () => this.place.classList.remove("over"),
      ondrop: (event) => { event.preventDefault(); this.place.classList.remove("over"); this.take(event.dataTransfer.files[0]); },
    }, this.hint, this.video, this.canvas);
    this.input = el("input", { type: "file", accept: "image/*", id: "picture", onchange: () => this.take(this.input.files[0]) });
    this.paste = (event) => { const [file] = event.clipboardData.files; if (file) this.take(file); };
    document.addEventListener("paste", this.paste);
  }

  async take(file) {
    if (!file) return;
    try {
      this.bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
    } catch {
      say(t("no_picture"), true);
      return;
    }
    this.file = file;
    this.draw();
    await this.onPicture(file);
  }

  // Draws the picture and, over it, what `over` draws: a function of the context and of a line's width.
  draw(over) {
    if (!this.bitmap) return;
    const { canvas, bitmap } = this;
    Object.assign(canvas, { width: bitmap.width, height: bitmap.height, hidden: false });
    this.hint.hidden = true;
    const context = canvas.getContext("2d");
    context.drawImage(bitmap, 0, 0);
    if (over) over(context, Math.max(2, Math.round(Math.max(bitmap.width, bitmap.height) / 300)));
  }

  describe(text) { this.canvas.setAttribute("aria-label", text); }

  async startCamera() {
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 } }, audio: false });
    } catch {
      say(t("no_camera"), true);
      return false;
    }
    this.video.srcObject = this.stream;
    await this.video.play();
    return true;
  }

  // The camera's picture now, as a file; shown in the canvas.
  async snap() {
    const { videoWidth: width, videoHeight: height } = this.video;
    if (!width) return null;
    this.bitmap = await createImageBitmap(this.video);
    const shot = new OffscreenCanvas(width, height);
    shot.getContext("2d").drawImage(this.bitmap, 0, 0);
    this.file = new File([await shot.convertToBlob({ type: "image/jpeg", quality: 0.92 })], "camera.jpg", { type: "image/jpeg" });
    return this.file;
  }

  // A part of the picture as a file, with a margin around the box.
  async crop(box, margin = 0.6) {
    const pad = margin * Math.max(box.x_max - box.x_min, box.y_max - box.y_min);
    const left = Math.max(0, Math.floor(box.x_min - pad)), top = Math.max(0, Math.floor(box.y_min - pad));
    const width = Math.min(this.bitmap.width, Math.ceil(box.x_max + pad)) - left;
    const height = Math.min(this.bitmap.height, Math.ceil(box.y_max + pad)) - top;
    const part = new OffscreenCanvas(width, height);
    part.getContext("2d").drawImage(this.bitmap, left, top, width, height, 0, 0, width, height);
    return new File([await part.convertToBlob({ type: "image/png" })], "face.png", { type: "image/png" });
  }

  stopCamera() {
    for (const track of this.stream?.getTracks() || []) track.stop();
    this.stream = null;
  }

  leave() {
    this.stopCamera();
    document.removeEventListener("paste", this.paste);
  }
}

export function drawBox(context, width, box, colour, text) {
  context.lineWidth = width;
  context.strokeStyle = colour;
  context.strokeRect(box.x_min, box.y_min, box.x_max - box.x_min, box.y_max - box.y_min);
  if (!text) return;
  const size = Math.max(12, 6 * width);
  context.font = `600 ${size}px system-ui, sans-serif`;
  const wide = context.measureText(text).width + size;
  const top = box.y_min >= 1.4 * size ? box.y_min - 1.4 * size : box.y_min;
  context.fillStyle = colour;
  context.fillRect(box.x_min, top, wide, 1.4 * size);
  context.fillStyle = "#fff";
  context.fillText(text, box.x_min + size / 2, top + size * 1.05);
}

export function drawLandmarks(context, width, landmarks) {
  context.fillStyle = "#f0a020";
  for (const point of Object.values(landmarks || {})) {
    context.beginPath();
    context.arc(point.x, point.y, width * 1.3, 0, 7);
    context.fill();
  }
}
