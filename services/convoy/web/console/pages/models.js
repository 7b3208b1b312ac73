// Models: what each service has, what was measured, and what runs it.
import { ask } from "../api.js";
import { el } from "../elements.js";
import { t } from "../text/languages.js";

export function modelsPage(main) {
  ask("/v1/services").then(({ services }) => services.filter(({ service }) => service !== "recognition").forEach(({ service }) => show(service)));

  async function show(service) {
    const card = el("section", { className: "card" }, el("h2", {}, service));
    main.append(card);
    try {
      const { models } = await ask(`/v1/services/${service}/models`);
      const head = ["model", "version", "precision", "measured", "state", "device"];
      card.append(el("div", { className: "wide", tabIndex: 0 }, el("table", {},
        el("thead", {}, el("tr", {}, head.map((key) => el("th", { scope: "col" }, t(key))))),
        el("tbody", {}, models.map((one) => el("tr", {}, [
          `${one.model.name}${one.is_default ? ` (${t("default_model")})` : ""}`, one.model.version, one.precision,
          one.metrics.map((metric) => `${metric.name} ${metric.value.toFixed(4)} (${metric.dataset}, ${metric.split})`).join("; "),
          one.problem || one.state, one.execution_provider,
        ].map((text) => el("td", {}, text)))))))); 
    } catch (error) {
      card.append(el("p", { className: "bad" }, error.message));
    }
  }
}
