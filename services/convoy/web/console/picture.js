// A place for one picture: dropped, pasted, chosen or taken by the camera.
import { paintOver } from "./drawing.js";
import { el, say } from "./elements.js";
import { t } from "./text/languages.js";

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
    this.describe(file.name || t("photos"));
    this.draw();
    await this.onPicture(file);
  }

  // Draws the picture and, over it, what `over` draws; see drawing.js.
  draw(over) {
    if (!this.bitmap) return;
    this.hint.hidden = true;
    paintOver(this.canvas, this.bitmap, over);
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
