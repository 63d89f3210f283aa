// The page: what is served is asked for, and a form, a conversation or a sheet of paper is made for it.
import { drawn } from "./answer.js";
import { json } from "./ask.js";
import { figure, make } from "./dom.js";
import { fields } from "./form.js";
import { chat, writing } from "./talk.js";
import { say, settle } from "./words.js";

const BETTER_LOW = new Set(["log_loss", "brier", "ece", "mae", "rmse", "median_absolute_error", "hamming_loss", "bits_per_byte", "perplexity", "loss"]);
const SHOWN = 5; // scores of a target
let model = null;

async function start() {
  const { models } = await json("/models");
  const chosen = new URLSearchParams(location.search).get("model");
  const name = models.some((each) => each.name === chosen) ? chosen : models[0].name;
  const select = document.getElementById("models");
  select.replaceChildren(...models.map((each) => make("option", { value: each.name, selected: each.name === name }, each.name)));
  select.parentElement.hidden = models.length < 2;
  select.onchange = () => { location.search = `?model=${encodeURIComponent(select.value)}`; };
  model = await json(`/models/${encodeURIComponent(name)}`);
  show();
}

function show() {
  if (!model) return;
  document.title = `${model.name} · netwright`;
  const targets = model.targets.map((target) => target.name).join(", ");
  const lone = model.writes && !model.inputs.length;
  const title = lone ? say(model.writes === "messages" ? "chat" : "writes", model.name) : targets;
  const from = model.inputs.map((column) => column.name);
  const told = lone ? [] : [make("p", {}, say("from", from.length > 6 ? `${from.slice(0, 6).join(", ")} … (${from.length})` : from.join(", ")))];
  document.getElementById("title").replaceChildren(make("h1", {}, title), ...told);
  const work = lone ? (model.writes === "messages" ? chat(model) : writing(model)) : form();
  document.getElementById("work").replaceChildren(work);
  document.getElementById("beside").replaceChildren(scores(), make("div", {}, limits(), program()));
}

function form() {
  let truth = null, turn = 0, timer = null, stopping = null;
  const answer = make("div", {}, make("div", { class: "empty" }, say("empty")));
  answer.setAttribute("aria-live", "polite");
  const live = !model.writes;
  const ask = async () => {
    clearTimeout(timer);
    const row = Object.fromEntries(all.map((field) => [field.column.name, field.read()]));
    if (all.some((field) => field.column.form === "image" && !field.read())) {
      answer.replaceChildren(make("div", { class: "empty" }, say("empty")));
      return;
    }
    const mine = ++turn;
    stopping?.abort();
    stopping = new AbortController();
    answer.classList.add("busy");
    try {
      const told = await json(`/models/${encodeURIComponent(model.name)}/predict`, row, stopping.signal);
      if (mine === turn) answer.replaceChildren(...drawn(model, row, told.predictions[0], told.notes, truth));
    } catch (error) {
      if (mine === turn && error.name !== "AbortError") answer.replaceChildren(make("p", { class: "wrong" }, error.message));
    }
    if (mine === turn) answer.classList.remove("busy");
  };
  const changed = () => {
    truth = null;
    for (const button of buttons) button.setAttribute("aria-pressed", "false");
    clearTimeout(timer);
    if (live) timer = setTimeout(ask, model.inputs.some((column) => column.form === "text") ? 450 : 120);
  };
  const all = fields(model.inputs, changed);
  const picture = model.inputs.find((column) => column.form === "image");
  const buttons = model.examples.filter((each) => each.row).map((example, place) => {
    const face = picture ? make("img", { src: example.row[picture.name], alt: `${say("example")} ${place + 1}` }) : String(place + 1);
    const button = make("button", { type: "button" }, face);
    button.setAttribute("aria-label", `${say("example")} ${place + 1}`);
    button.onclick = () => {
      for (const field of all) field.show(example.row[field.column.name]);
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
      truth = example.truth ?? null;
      ask();
    };
    return button;
  });
  const row = make("div", { class: "examples", hidden: !buttons.length }, make("span", { title: say("hard") }, say("examples")), buttons);
  const sheet = make("form", { class: "sheet", id: "form", onsubmit: (event) => { event.preventDefault(); ask(); } },
    row, make("div", { class: "fields" }, all.map((field) => field.element)), make("div", { class: "send" }, make("button", { class: "main", type: "submit" }, say("ask"))));
  if (!picture) for (const field of all) field.show(model.typical[field.column.name]);
  clearTimeout(timer);
  if (live && !picture && model.inputs.every((column) => column.form !== "text" && column.form !== "any")) ask();
  else for (const field of all) if (field.column.form === "text" || field.column.form === "any") field.show("");
  return make("div", { class: "two" }, sheet, make("section", { class: "sheet answer" }, make("h2", {}, say("answer")), answer));
}

function scores() {
  const { metrics, baselines, rows } = model.scores;
  const targets = Object.values(metrics).some((each) => each && each.value === undefined) ? Object.keys(metrics) : [null];
  const parts = [make("h2", {}, say("scores")), make("p", { class: "note" }, say("measured", say(rows)))];
  for (const target of targets) {
    const own = target === null ? metrics : metrics[target];
    if (target !== null) parts.push(make("p", { class: "note" }, make("b", {}, target)));
    const body = Object.entries(own).filter(([, each]) => each?.value !== undefined && each.value !== null).slice(0, SHOWN).map(([name, each]) => {
      const rival = best(name, target === null ? baselines : baselines[target] ?? {});
      return make("tr", {}, make("th", { scope: "row" }, name.replaceAll("_", " ")), make("td", {}, figure(each.value), " ", make("small", {}, each.low === undefined ? "" : `[${figure(each.low)}, ${figure(each.high)}]`)), make("td", {}, rival ? [figure(rival.value), " ", make("small", {}, rival.name)] : "—"));
    });
    parts.push(make("table", {}, make("thead", {}, make("tr", {}, [say("metric"), say("value"), say("baseline")].map((text) => make("th", { scope: "col" }, text)))), make("tbody", {}, body)));
  }
  return make("section", {}, parts);
}

function best(metric, baselines) {
  let found = null;
  for (const [name, each] of Object.entries(baselines)) {
    const value = each?.[metric]?.value;
    if (typeof value !== "number") continue;
    if (!found || (BETTER_LOW.has(metric) ? value < found.value : value > found.value)) found = { name, value };
  }
  return found;
}

function limits() {
  const { limits, versions } = model;
  const lines = [model.rows ? say("limit_rows", figure(model.rows)) : null];
  if (model.writes) lines.push(say("limit_text"));
  else {
    if (model.inputs.some((column) => column.form === "number")) lines.push(say("limit_range"));
    if (model.targets.some((target) => target.classes)) lines.push(say("limit_calibrated"));
  }
  lines.push(say("limit_served", figure(limits.rows), figure(limits.bytes / 2 ** 20), figure(limits.seconds)));
  const facts = [[say("version"), model.version], [say("family"), model.family ?? ""], [say("made"), `netwright ${versions.netwright}, torch ${versions.torch}`]];
  return make("section", {}, make("h2", {}, say("limits")), make("ul", {}, lines.filter(Boolean).map((line) => make("li", {}, line))), make("dl", {}, facts.map(([name, value]) => [make("dt", {}, name), make("dd", {}, value)])));
}

function program() {
  const lone = model.writes && !model.inputs.length;
  const path = lone ? (model.writes === "messages" ? "/v1/chat/completions" : "/v1/completions") : `/models/${model.name}/predict`;
  const told = model.writes === "messages" ? { model: model.name, messages: [{ role: "user", content: model.examples[0]?.prompt ?? "…" }] } : { model: model.name, prompt: model.examples[0]?.prompt ?? "…", max_tokens: 64 };
  const row = Object.fromEntries(Object.entries(model.typical).map(([name, value]) => [name, value ?? "BASE64"]));
  const body = JSON.stringify(lone ? told : row).replaceAll("'", "'\\''");
  const command = `curl ${location.origin}${path} \\\n  -H 'content-type: application/json' \\\n  -d '${body}'`;
  const button = make("button", { type: "button" }, say("copy"));
  button.onclick = async () => {
    await navigator.clipboard.writeText(command);
    button.textContent = say("copied");
    setTimeout(() => { button.textContent = say("copy"); }, 1500);
  };
  return make("section", {}, make("h2", {}, say("program")), make("pre", {}, make("code", {}, command)), button);
}

settle(show);
start().catch((error) => document.getElementById("work").replaceChildren(make("p", { class: "wrong" }, error.message)));
