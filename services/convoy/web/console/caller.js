// Who asks, and what they may do. What a caller may not do is not shown; services refuse it all the same.
import { SOON, ask } from "./api.js";

const LEVELS = ["read", "write", "admin"];
const GALLERY = /^gallery:([^:]+):(read|write|admin)$/;
let services = null;

// Ask the services. Without an answer nothing is hidden, except from somebody whose token is missing or wrong.
export async function meet() {
  try {
    services = (await ask("/v1/caller", { headers: SOON })).services;
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
  const scopes = services?.find(({ service }) => service === "recognition")?.scopes || [];
  return [...new Set(scopes.map((scope) => GALLERY.exec(scope)?.[1]).filter((name) => name && name !== "*"))];
}

function mayBy(has, service) {
  if (services === null) return true;
  return services.some((one) => (!service || one.service === service) && (!one.is_limited || has(one.scopes)));
}
