// Fleet: which services serve, looked at every three seconds.
import { ask } from "../api.js";
import { el, replace, say } from "../elements.js";
import { t } from "../text/languages.js";

const EVERY_MS = 3000;

export function fleetPage(main) {
  const rows = el("tbody", { id: "services" });
  main.append(el("div", { className: "card wide", tabIndex: 0 }, el("table", {},
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, t("service")), el("th", { scope: "col" }, t("status")))), rows)));
  look();
  const timer = setInterval(look, EVERY_MS);

  async function look() {
    try {
      const { services } = await ask("/v1/services");
      replace(rows, services.map(({ service, status }) => el("tr", {}, el("td", {}, service),
        el("td", { className: status === "SERVING" ? "good" : "bad" }, status === "SERVING" ? t("ready") : `${t("not_ready")}: ${status}`))));
    } catch (error) {
      say(t("failed", { why: error.message }), true);
    }
  }
  return () => clearInterval(timer);
}
