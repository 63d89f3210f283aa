// The API's document as a page: each way in, what it takes, what it refuses.
import { json } from "./ask.js";
import { make } from "./dom.js";
import { settle } from "./words.js";

function found(schema, all) {
  if (!schema) return {};
  if (schema.$ref) return found(all[schema.$ref.split("/").pop()], all);
  if (schema.anyOf) return found(schema.anyOf.find((each) => each.$ref || each.properties) ?? schema.anyOf[0], all);
  return schema;
}

function sort(schema) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.anyOf) return [...new Set(schema.anyOf.map(sort))].join(" | ");
  if (schema.type === "array") return `[${sort(schema.items ?? {})}]`;
  return [schema.type ?? "any"].flat().join(" | ");
}

function way(path, method, told, all) {
  const parts = [make("h2", {}, make("b", {}, method.toUpperCase()), make("code", {}, path)), make("p", {}, told.summary ?? "")];
  const taken = told.requestBody?.content?.["application/json"];
  const schema = found(taken?.schema, all);
  if (schema.properties) {
    const rows = Object.entries(schema.properties).map(([name, each]) => make("tr", {}, make("th", { scope: "row" }, make("code", {}, name)), make("td", {}, sort(each)), make("td", {}, each.description ?? "")));
    parts.push(make("table", {}, make("tbody", {}, rows)));
  }
  if (taken) {
    const example = taken.example && Object.fromEntries(Object.entries(taken.example).map(([name, value]) => [name, value ?? "BASE64"]));
    const body = example ?? Object.fromEntries((schema.required ?? []).map((name) => [name, "…"]));
    parts.push(make("pre", {}, make("code", {}, `curl ${location.origin}${path} \\\n  -H 'content-type: application/json' \\\n  -d '${JSON.stringify(body)}'`)));
  }
  return make("section", {}, parts);
}

async function start() {
  const document_ = await json("/openapi.json");
  const all = document_.components?.schemas ?? {};
  const order = ["predict", "openai", "models", "server"];
  const ways = Object.entries(document_.paths).flatMap(([path, each]) => Object.entries(each).map(([method, told]) => [path, method, told]));
  ways.sort((a, b) => order.indexOf(a[2].tags?.[0]) - order.indexOf(b[2].tags?.[0]));
  const refusals = new Map(ways.flatMap(([, , told]) => Object.entries(told.responses)).filter(([status]) => status >= "400").map(([status, each]) => [status, each.description]));
  const rows = [...refusals].sort().map(([status, text]) => make("tr", {}, make("th", { scope: "row" }, make("code", {}, status)), make("td"), make("td", {}, text)));
  const refused = make("section", {}, make("h2", {}, "Refusals"), make("p", {}, "Each with one sentence in error.message, and the request's id."), make("table", {}, make("tbody", {}, rows)));
  document.getElementById("ways").replaceChildren(...ways.map(([path, method, told]) => way(path, method, told, all)), refused);
}

settle(() => {});
start();
