// Shows /openapi.json as a page.
import { el } from "./elements.js";

const main = document.getElementById("main");
const documented = await (await fetch("/openapi.json")).json();

function named(schema) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.type === "array") return `${named(schema.items)}[]`;
  return schema.enum ? schema.enum.join(" | ") : schema.type || "any";
}

const table = (rows) => el("div", { className: "wide", tabIndex: 0 }, el("table", {}, el("tbody", {}, rows.map((cells) => el("tr", {}, cells.map((cell) => el("td", {}, cell)))))));

// How the example of an operation is called.
function curl(path, verb, operation) {
  const filled = path.replace(/{(\w+)}/g, (_, name) => operation.parameters.find((one) => one.name === name).example);
  const example = operation.requestBody?.content["application/json"]?.example;
  const body = example ? ` -H 'Content-Type: application/json' -d '${JSON.stringify(example)}'` : "";
  return `curl -X ${verb.toUpperCase()}${body} ${location.origin}${filled}`;
}

main.append(el("p", {}, documented.info.description));
for (const [path, verbs] of Object.entries(documented.paths)) {
  for (const [verb, operation] of Object.entries(verbs)) {
    const fields = (operation.parameters || []).map((one) => [one.name, one.in, named(one.schema || one.content["application/json"].schema)]);
    const body = operation.requestBody?.content["application/json"]?.schema.properties || {};
    const seen = new Set(fields.map(([name]) => name));
    fields.push(...Object.entries(body).filter(([name]) => !seen.has(name)).map(([name, schema]) => [name, "body", named(schema)]));
    const answer = Object.values(operation.responses)[0].content?.["application/json"]?.schema;
    main.append(el("details", { className: "card" },
      el("summary", {}, el("strong", {}, `${verb.toUpperCase()} ${path}`), ` ${operation.summary}`),
      operation.description && el("p", {}, operation.description), fields.length > 0 && table(fields), answer && el("p", {}, `→ ${named(answer)}`), el("pre", { tabIndex: 0 }, curl(path, verb, operation))));
  }
}
main.append(el("h2", {}, "Messages"));
for (const [name, schema] of Object.entries(documented.components.schemas)) {
  main.append(el("details", { className: "card", id: name }, el("summary", {}, name), table(Object.entries(schema.properties || {}).map(([key, value]) => [key, named(value)]))));
}
