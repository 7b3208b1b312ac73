// Models: what each service has, what was measured and what runs it; loading and unloading; what can be pulled.
import { SOON, ask } from "../api.js";
import { may } from "../caller.js";
import { el, replace, say, table } from "../elements.js";
import { t } from "../text/languages.js";

export function modelsPage(main) {
  main.append(el("p", {}, el("a", { href: "#try/compare" }, t("compare_link"))));
  const places = el("div", { className: "stack" });
  main.append(places);
  ask("/v1/services", { headers: SOON }).then(({ services }) => {
    const withModels = services.map(({ service }) => service).filter((service) => service !== "recognition" && may(service, service));
    for (const service of withModels) places.append(new Service(service).card);
  }).catch((error) => say(t("failed", { why: error.message }), true));
  catalogue().then((card) => main.append(card));
}

class Service {
  constructor(name) {
    this.name = name;
    this.body = el("div", {});
    this.card = el("section", { className: "card" }, el("h2", {}, name), this.body);
    this.show();
  }

  async show() {
    try {
      const { models } = await ask(`/v1/services/${this.name}/models`);
      const changes = may("models:admin", this.name);
      const head = ["model", "version", "precision", "measured", "state", "device", "card"].map(t);
      replace(this.body, table([...head, ...(changes ? [t("change")] : [])], models.map((one) => [
        `${one.model.name}${one.is_default ? ` (${t("default_model")})` : ""}`, one.model.version, one.precision,
        one.metrics.map(measured).join("; "), one.problem || one.state, one.execution_provider, card(one),
        ...(changes ? [this.button(one)] : []),
      ])));
    } catch (error) {
      replace(this.body, el("p", { className: "bad" }, error.message));
    }
  }

  button({ model: { name, version }, state }) {
    if (state === "REFUSED") return "";
    const verb = state === "READY" ? "unload" : "load";
    return el("button", { "aria-label": `${t(verb)} ${name}:${version}`, onclick: async () => {
      say(t("working"));
      try {
        await ask(`/v1/services/${this.name}/models/${encodeURIComponent(name)}/${verb}?version=${encodeURIComponent(version)}`, { method: "POST" });
        say(t("saved"));
      } catch (error) {
        say(t("failed", { why: error.message }), true);
      }
      await this.show();
    } }, t(verb));
  }
}

function measured({ name, value, interval_low: low, interval_high: high, dataset, split, condition }) {
  const spread = low === undefined ? "" : ` [${low.toFixed(4)}, ${high.toFixed(4)}]`;
  return `${name} ${value.toFixed(4)}${spread} (${[dataset, split, condition].filter(Boolean).join(", ")})`;
}

// What a card says beside the row: the network, its input, labels, and how its numbers are measured again.
function card(one) {
  const { width, height } = one.input_size || {};
  const facts = [one.task, one.architecture, width ? `${width} × ${height}` : t("any_size"), `${t("labels")}: ${one.labels.length}`,
    one.labels.slice(0, 20).join(", "), `SHA-256 ${one.sha256}`, ...new Set(one.metrics.map(({ command }) => command))];
  return el("details", {}, el("summary", { "aria-label": `${t("card")} ${one.model.name}` }, t("card")), el("ul", {}, facts.filter(Boolean).map((fact) => el("li", {}, fact))));
}

async function catalogue() {
  const models = await (await fetch("catalogue.json")).json();
  return el("details", { className: "card" }, el("summary", {}, t("catalogue", { n: models.length })),
    table(["model", "what", "published", "licence", "as_command"].map(t), models.map((one) => [
      one.name, `${one.task}: ${one.title}`, one.accuracy, one.licence, el("code", {}, `convoy model pull ${one.name}`)])));
}
