// What is drawn over a picture: boxes, points, masks, maps.
const COLOURS = 0.381966;
export const colourOf = (index) => `hsl(${Math.round(360 * ((0.58 + index * COLOURS) % 1))} 75% 45%)`;

// Draws a picture into a canvas and, over it, what `over` draws: a function of the context and of a line's width.
export function paintOver(canvas, bitmap, over) {
  Object.assign(canvas, { width: bitmap.width, height: bitmap.height, hidden: false });
  const context = canvas.getContext("2d");
  context.drawImage(bitmap, 0, 0);
  if (over) over(context, Math.max(2, Math.round(Math.max(bitmap.width, bitmap.height) / 300)));
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

// The points that a detector names on an object, such as its joints.
export function drawPoints(context, width, points, colour) {
  for (const { position: { x, y } } of points || []) {
    context.fillStyle = "#fff";
    context.beginPath();
    context.arc(x, y, width * 1.7, 0, 7);
    context.fill();
    context.fillStyle = colour;
    context.beginPath();
    context.arc(x, y, width * 1.1, 0, 7);
    context.fill();
  }
}

export async function readPng(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return createImageBitmap(new Blob([bytes], { type: "image/png" }), { colorSpaceConversion: "none" });
}

function pixelsOf(bitmap) {
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, bitmap.width, bitmap.height);
}

// A mask of classes in their colours.
export async function readClasses(base64) {
  const image = pixelsOf(await readPng(base64)), colours = new Map();
  for (let place = 0; place < image.data.length; place += 4) {
    const index = image.data[place];
    if (!colours.has(index)) colours.set(index, rgbOf(colourOf(index)));
    image.data.set(colours.get(index), place);
  }
  return canvasOf(image);
}

// The mask of one object in a colour, transparent where it is not.
export async function readObject(mask, colour) {
  if (!mask?.png) return null;
  const image = pixelsOf(await readPng(mask.png)), rgb = rgbOf(colour);
  for (let place = 0; place < image.data.length; place += 4) {
    const alpha = image.data[place];
    image.data.set(rgb, place);
    image.data[place + 3] = alpha;
  }
  return { canvas: canvasOf(image), left: mask.png_left, top: mask.png_top };
}

// Lays a mask over the picture. opacity: 0 to 1.
export function layOver(context, canvas, opacity, left = 0, top = 0) {
  context.globalAlpha = opacity;
  context.drawImage(canvas, left, top);
  context.globalAlpha = 1;
}

function rgbOf(colour) {
  const context = new OffscreenCanvas(1, 1).getContext("2d");
  context.fillStyle = colour;
  context.fillRect(0, 0, 1, 1);
  return context.getImageData(0, 0, 1, 1).data;
}

function canvasOf(image) {
  const canvas = new OffscreenCanvas(image.width, image.height);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}
