// Who asks, and what they may do. What a caller may not do is not shown; services refuse it all the same.
import { ask } from "./api.js";

const LEVELS = ["read", "write", "admin"];
const GALLERY = /^gallery:([^:]+):(read|write|admin)$/;
// The first page waits for the answer, so a service that is away may not keep it waiting long.
const AT_ONCE = { "Connect-Timeout-Ms": "1000" };
let services = null;

// Ask the services. Without an answer nothing is hidden, except from somebody whose token is missing or wrong.
export async function meet() {
  try {
    services = (await ask("/v1/caller", { headers: AT_ONCE })).services;
  } catch (error) {
    services = error.status === 401 ? [] : null;
  }
}

export const isStranger = () => services?.length === 0;

// Whether the caller has a scope at a service, or at any.
export function may(scope, service) {
  return mayBy((scopes) => scopes.includes(scope), service);
}

export function mayGallery(gallery, level) {
  const levels = LEVELS.slice(LEVELS.indexOf(level)), names = gallery ? [gallery, "*"] : null;
  return mayBy((scopes) => scopes.some((scope) => {
    const [, name, granted] = GALLERY.exec(scope) || [];
    return levels.includes(granted) && (!names || names.includes(name));
  }), "recognition");
}

// The galleries that scopes name, for a caller who may not list them all.
export function galleriesNamed() {
  const scopes = (services || []).flatMap((one) => one.scopes);
  return [...new Set(scopes.map((scope) => GALLERY.exec(scope)?.[1]).filter((name) => name && name !== "*"))];
}

function mayBy(has, service) {
  if (services === null) return true;
  // Of a service that is away, the others tell what the token allows.
  const asked = services.filter((one) => one.service === service);
  return (asked.length ? asked : services).some((one) => !one.is_limited || has(one.scopes));
}
