// The menu of galleries; the choice stays in this tab.
import { listAll } from "./api.js";
import { galleriesNamed, mayGallery } from "./caller.js";
import { el, option, replace, say } from "./elements.js";
import { t } from "./text/languages.js";

const KEY = "convoy-gallery";

export function galleryMenu(onchange) {
  const menu = el("select", { id: "gallery", onchange: () => { sessionStorage.setItem(KEY, menu.value); onchange(); } });
  // isChosen: somebody chose a gallery, rather than that one was changed.
  menu.refresh = async (wanted = sessionStorage.getItem(KEY), isChosen = true) => {
    try {
      const galleries = mayGallery("*", "read") ? (await listAll("/v1/galleries", "galleries")).map(({ name }) => name) : galleriesNamed();
      replace(menu, galleries.map((name) => option(name, name, name === wanted)));
      if (!galleries.length) say(t("no_gallery"));
    } catch (error) {
      say(t("failed", { why: error.message }), true);
    }
    await onchange(isChosen);
  };
  return menu;
}

// What happened to each photo of a registration, also of one that was refused.
export function photoResults(results) {
  return el("ul", { className: "plain" }, results.map((result, place) => el("li", { className: result.accepted ? "good" : "bad" },
    `${t("photo_n", { n: place + 1 })}: ${result.accepted ? t("accepted") : `${t("refused")} – ${result.message}`}`)));
}

export const refusedPhotos = (error) => error.details?.find((detail) => detail.results)?.results || [];

export const called = (match) => match.display_name || match.person_id;

// The nearest people with their similarities, where the caller may see them.
export const nearestText = (matches) => matches.map((one) => (one.similarity === undefined ? called(one) : `${called(one)} (${one.similarity.toFixed(2)})`)).join(", ");
