// Fleet: which services serve and how much they have to do, looked at every three seconds.
import { SOON, ask } from "../api.js";
import { may } from "../caller.js";
import { el, replace, say } from "../elements.js";
import { t } from "../text/languages.js";

const EVERY_MS = 3000;
const HEAD = ["service", "status", "version", "waiting", "in_flight", "calls", "errors", "half_took", "most_took"];

export function fleetPage(main) {
  const rows = el("tbody", { id: "services" });
  main.append(el("div", { className: "card wide", tabIndex: 0 }, el("table", {},
    el("thead", {}, el("tr", {}, HEAD.map((key) => el("th", { scope: "col" }, t(key))))), rows)),
    el("p", { className: "soft" }, t("last_minutes")));
  let gone = false;
  look();
  const timer = setInterval(look, EVERY_MS);

  async function look() {
    try {
      const { services } = await ask("/v1/services", { headers: SOON });
      const loads = await Promise.all(services.map(loadOf));
      if (!gone) replace(rows, services.map((one, place) => row(one, loads[place])));
    } catch (error) {
      say(t("failed", { why: error.message }), true);
    }
  }
  return () => { gone = true; clearInterval(timer); };
}

const loadOf = ({ service, status }) => (status === "SERVING" && may("metrics", service)
  ? ask(`/v1/services/${service}/load`, { headers: SOON }).catch(() => null) : null);

function row({ service, status }, load) {
  const serves = status === "SERVING", overloaded = serves && load?.is_overloaded;
  const said = overloaded ? t("overloaded") : serves ? t("ready") : `${t("not_ready")}: ${status}`;
  const cells = [service, el("span", { className: overloaded ? "warn" : serves ? "good" : "bad" }, said)];
  if (load) {
    const all = load.calls.reduce((sum, { calls }) => sum + calls, 0), good = load.calls.find(({ code }) => code === "OK")?.calls || 0;
    const bad = load.calls.filter(({ code }) => code !== "OK").map(({ code, calls }) => `${code} ${calls}`).join(", ");
    cells.push(load.version, load.queue_depth, load.in_flight, all, all > good ? `${all - good} (${bad})` : 0,
      `${load.p50_ms.toFixed(1)} ms`, `${load.p95_ms.toFixed(1)} ms`);
  }
  while (cells.length < HEAD.length) cells.push("");
  return el("tr", {}, cells.map((cell) => el("td", {}, cell)));
}
