// The receipt of an erasure: what was erased, when, by whom, at which version, and the digest that the audit bears out.
import { ask, galleryPath } from "./api.js";
import { el } from "./elements.js";
import { current, t } from "./text/languages.js";

export const ERASING = ["DeletePerson", "DeleteFace", "DeleteGallery", "Expire", "EraseAgain"];

export async function receiptOf(gallery, version) {
  const path = `${galleryPath(gallery)}/erasures/${version}`;
  const { erasure, hashed, sha256 } = await ask(path);
  const facts = [["gallery", gallery], ["person", erasure.person_id], ["action", erasure.action], ["outcome", erasure.outcome],
    ["time", erasure.time], ["actor", erasure.actor || t("nobody_named")], ["version", erasure.version], ["request", erasure.request_id], ["digest", sha256]];
  const save = el("button", { id: "save-receipt", onclick: () => download(`erasure-${gallery}-${version}.html`, page(facts, hashed, path)) }, t("save_receipt"));
  return el("div", { id: "receipt-page", className: "stack" }, el("h2", {}, t("receipt")), list(facts), el("p", { className: "soft" }, t("receipt_check")), save);
}

const list = (facts) => el("dl", {}, facts.filter(([, value]) => value).flatMap(([key, value]) => [el("dt", {}, t(key)), el("dd", {}, `${value}`)]));

// A page of its own, made of elements, so that nothing in it is read as HTML.
function page(facts, hashed, path) {
  const made = document.implementation.createHTMLDocument(`${t("receipt")} – Convoy`);
  made.documentElement.lang = current();
  made.head.prepend(el("meta", { charset: "utf-8" }));
  made.body.append(el("h1", {}, t("receipt")), list(facts), el("p", {}, t("receipt_hashed")), el("pre", {}, hashed),
    el("p", {}, t("receipt_check")), el("pre", {}, `curl -H "Authorization: Bearer $TOKEN" ${location.origin}${path}`));
  return new Blob([`<!doctype html>\n${made.documentElement.outerHTML}`], { type: "text/html" });
}

export function download(name, blob) {
  const link = el("a", { href: URL.createObjectURL(blob), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
