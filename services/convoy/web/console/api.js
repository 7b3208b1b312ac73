// Asks the web door. The token lives in this tab alone.

// For questions about services, one of which may hang: the others are shown all the same.
export const SOON = { "Connect-Timeout-Ms": "3000" };
export const TOKEN = "convoy-token";

export class Problem extends Error {
  constructor(problem) {
    super(problem.detail || problem.title || "?");
    Object.assign(this, { reason: problem.reason, status: problem.status, details: problem.details || [] });
  }
}

export async function ask(path, options) {
  return (await fetched(path, options)).json().catch(() => ({}));
}

// The answer itself, for what is no JSON. body: sent as it is; headers: beside the token.
export async function fetched(path, { method = "GET", form, json, body, signal, headers: more } = {}) {
  const headers = { ...more };
  const token = sessionStorage.getItem(TOKEN);
  if (token) headers.Authorization = `Bearer ${token}`;
  if (json) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: json ? JSON.stringify(json) : body ?? form, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ reason: "UNREACHABLE", detail: "the web door does not answer" });
  }
  if (!answer.ok) throw new Problem({ status: answer.status, detail: `HTTP ${answer.status}`, ...await answer.json().catch(() => ({})) });
  return answer;
}

export function formOf(fields, files = {}) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    for (const one of Array.isArray(value) ? value : [value]) if (one !== "" && one !== undefined) form.append(name, one);
  }
  for (const [name, list] of Object.entries(files)) for (const file of list) form.append(name, file, file.name || "picture.jpg");
  return form;
}

// An id for a change. (crypto.randomUUID is there on localhost and over HTTPS alone.)
export const newId = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

export const galleryPath = (gallery) => `/v1/galleries/${encodeURIComponent(gallery)}`;
export const personPath = (gallery, person) => `${galleryPath(gallery)}/people/${encodeURIComponent(person)}`;

// Every entry of a list that comes in pages, at most so many.
export async function listAll(path, name, most = 1000) {
  const found = [];
  let token = "";
  do {
    const page = await ask(`${path}${path.includes("?") ? "&" : "?"}page_size=200&page_token=${encodeURIComponent(token)}`);
    found.push(...page[name]);
    token = page.next_page_token;
  } while (token && found.length < most);
  return found;
}
