// An answer drawn: probabilities as bars, an interval on the training's range, tags over their words, a span in its text.
import { figure, make, percent } from "./dom.js";
import { say } from "./words.js";

const BARS = 10; // classes shown, the most probable ones

export function drawn(model, row, answer, notes, truth) {
  const parts = model.targets.map((target) => one(model, target, row, answer[target.name]));
  if (truth) {
    const told = Object.entries(truth).map(([name, value]) => [`${say("truth")} `, make("b", {}, shown(value)), parts.length > 1 ? ` (${name})` : ""]);
    parts.push(make("p", { class: "truth" }, told));
  }
  if (notes?.length) parts.push(make("ul", { class: "notes" }, notes.map((note) => make("li", {}, note))));
  return parts;
}

function shown(value) {
  if (value === null || value === undefined) return "—";
  if (Array.isArray(value)) return value.length ? value.map(shown).join(", ") : say("none");
  return typeof value === "number" ? figure(value) : String(value);
}

function one(model, target, row, answer) {
  const said = make("div", { class: "said" }, make("p", { class: "name" }, target.name));
  if (answer.probabilities) {
    said.append(make("p", { class: "value" }, shown(answer.predicted)), bars(answer));
    const coverage = model.recipe.trust?.coverage;
    if (answer.set?.length > 1 && coverage) said.append(make("p", { class: "truth" }, `${say("set", percent(coverage))} `, make("b", {}, answer.set.join(", "))));
  } else if (target.kind === "number") {
    said.append(make("p", { class: "value" }, figure(answer.predicted)), ...interval(model, target, answer));
  } else if (target.kind === "tags") {
    said.append(tags(row, target, answer));
  } else if (target.kind === "span") {
    said.append(...span(row, answer));
  } else {
    said.append(make("p", { class: "value text" }, shown(answer.predicted)));
  }
  return said;
}

function bars(answer) {
  const several = Array.isArray(answer.predicted);
  const chosen = new Set(several ? answer.predicted : [String(answer.predicted)]);
  const all = Object.entries(answer.probabilities).sort((a, b) => b[1] - a[1]);
  const out = make("dl", { class: "ladder" });
  for (const [name, share] of all.slice(0, BARS)) {
    const bar = make("i");
    bar.style.width = `${Math.max(share * 100, 0.4)}%`;
    const first = chosen.has(name) || (!several && chosen.has(String(Number(name))));
    out.append(make("dt", { class: first ? "first" : "", title: name }, name), make("dd", {}, make("div", { class: "track" }, bar)), make("dd", { class: "share" }, percent(share)));
  }
  return out;
}

function interval(model, target, answer) {
  if (answer.low === undefined) return [];
  const low = Math.min(target.low, answer.low), high = Math.max(target.high, answer.high);
  const place = (value) => `${((value - low) / (high - low || 1)) * 100}%`;
  const range = make("i", { class: "range" }), dot = make("i", { class: "dot" });
  range.style.left = place(answer.low);
  range.style.width = `${((answer.high - answer.low) / (high - low || 1)) * 100}%`;
  dot.style.left = place(answer.predicted);
  return [
    make("div", { class: "axis" }, range, dot),
    make("div", { class: "ends" }, make("span", {}, figure(low)), make("span", {}, figure(high))),
    make("p", { class: "truth" }, make("b", {}, `${figure(answer.low)} – ${figure(answer.high)}`), ` · ${say("interval", percent(model.recipe.trust?.coverage ?? 0.9))}`),
  ];
}

function tags(row, target, answer) {
  const column = Object.values(row).find((value) => typeof value === "string") ?? "";
  const words = column.split(/\s+/).filter(Boolean);
  return make("p", { class: "tagged" }, answer.predicted.map((tag, place) => make("span", {}, words[place] ?? "", make("small", {}, String(tag)))));
}

function span(row, answer) {
  if (answer.predicted === null) return [make("p", { class: "value text" }, say("no_answer"))];
  const text = Object.values(row).find((value) => typeof value === "string" && [...value].slice(answer.start, answer.start + [...answer.predicted].length).join("") === answer.predicted) ?? "";
  const letters = [...text], end = answer.start + [...answer.predicted].length;
  return [
    make("p", { class: "value text" }, answer.predicted),
    make("p", { class: "note" }, letters.slice(Math.max(0, answer.start - 120), answer.start).join(""), make("mark", {}, answer.predicted), letters.slice(end, end + 120).join("")),
  ];
}
