// A film: its pictures go to DetectStream in one call of the Connect protocol, and objects keep a number from one to the next.
import { TOKEN, Problem } from "./api.js";
import { colourOf, drawBox, paintOver } from "./drawing.js";
import { el, say } from "./elements.js";
import { t } from "./text/languages.js";

const MOST_PICTURES = 60, A_SECOND = 5, MOST_SIDE = 640, QUALITY = 0.8, FAR_S = 1e7;
const LAST = 2, HEAD = 5;

// An element that follows a film as its answers come. model: name:version, or empty; least: the score to reach.
export async function followFilm(file, model, least, canvas) {
  const pictures = await picturesOf(file);
  const tracks = await follow(pictures, model, least);
  const seen = new Set(tracks.flat().map((one) => one.trackId).filter(Boolean));
  const slider = el("input", { type: "range", min: 0, max: pictures.length - 1, value: 0, id: "film-picture", oninput: show });
  const text = el("span", {});
  function show() {
    const place = Number(slider.value);
    text.textContent = t("film_picture", { n: place + 1, of: pictures.length });
    canvas.setAttribute("aria-label", (tracks[place] || []).map(({ label, trackId }) => `${label} #${trackId || 0}`).join(", ") || t("nothing_found"));
    paintOver(canvas, pictures[place].bitmap, (context, width) => {
      for (const { box, label, trackId } of tracks[place] || []) {
        const corners = { x_min: box.xMin || 0, y_min: box.yMin || 0, x_max: box.xMax || 0, y_max: box.yMax || 0 };
        drawBox(context, width, corners, colourOf(trackId || 0), trackId ? `${label} #${trackId}` : label);
      }
    });
  }
  show();
  say(t("film_done", { n: seen.size, of: pictures.length }));
  return el("label", {}, text, slider);
}

// Pictures of the film, some a second, as bitmaps and JPEGs in base64.
async function picturesOf(file) {
  const video = el("video", { muted: true, src: URL.createObjectURL(file) });
  try {
    await new Promise((resolve, reject) => { video.onloadeddata = resolve; video.onerror = () => reject(new Problem({ detail: t("no_film") })); });
    const shrink = Math.min(1, MOST_SIDE / Math.max(video.videoWidth, video.videoHeight));
    const canvas = new OffscreenCanvas(Math.round(video.videoWidth * shrink), Math.round(video.videoHeight * shrink));
    // A film that a browser recorded does not say how long it is until one has looked for its end.
    if (!Number.isFinite(video.duration)) await seek(video, FAR_S);
    const length = Number.isFinite(video.duration) ? video.duration : video.currentTime;
    const count = Math.max(1, Math.min(MOST_PICTURES, Math.floor(length * A_SECOND))), found = [];
    for (let place = 0; place < count; place++) {
      await seek(video, place / A_SECOND);
      canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
      const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY });
      found.push({ bitmap: await createImageBitmap(canvas), encoded: await base64Of(blob) });
    }
    return found;
  } finally {
    URL.revokeObjectURL(video.src);
  }
}

const seek = (video, second) => new Promise((resolve) => { video.onseeked = resolve; video.currentTime = second; });

async function base64Of(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let text = "";
  for (let place = 0; place < bytes.length; place += 0x8000) text += String.fromCharCode(...bytes.subarray(place, place + 0x8000));
  return btoa(text);
}

// The detections of each picture, in order.
async function follow(pictures, model, least) {
  const [name, version] = model.split(":");
  const about = { ...(model && { model: { name, version } }), detectionThreshold: least };
  const parts = pictures.map(({ encoded }, place) => envelope({ id: `${place}`, track: true, request: { images: [{ encoded }], ...about } }));
  const headers = { "Content-Type": "application/connect+json" }, token = sessionStorage.getItem(TOKEN);
  if (token) headers.Authorization = `Bearer ${token}`;
  const answer = await fetch("/convoy.v1.DetectionService/DetectStream", { method: "POST", headers, body: new Blob(parts) });
  if (!answer.ok) throw new Problem({ status: answer.status, detail: `HTTP ${answer.status}` });
  const found = [];
  for (const { flags, message } of envelopes(new Uint8Array(await answer.arrayBuffer()))) {
    if (flags & LAST) {
      if (message.error) throw new Problem({ detail: message.error.message });
    } else if (message.error) {
      throw new Problem({ detail: message.error.message });
    } else {
      found.push(message.response.results[0].detections || []);
    }
  }
  return found;
}

function envelope(message) {
  const content = new TextEncoder().encode(JSON.stringify(message)), whole = new Uint8Array(HEAD + content.length);
  new DataView(whole.buffer).setUint32(1, content.length);
  whole.set(content, HEAD);
  return whole;
}

function* envelopes(bytes) {
  const view = new DataView(bytes.buffer);
  for (let place = 0; place < bytes.length;) {
    const size = view.getUint32(place + 1);
    yield { flags: bytes[place], message: JSON.parse(new TextDecoder().decode(bytes.subarray(place + HEAD, place + HEAD + size))) };
    place += HEAD + size;
  }
}
