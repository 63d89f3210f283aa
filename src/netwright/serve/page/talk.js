// Conversations and texts, written as they come.
import { stream } from "./ask.js";
import { make } from "./dom.js";
import { say } from "./words.js";

function sampling(model, temperature) {
  const heat = make("input", { type: "number", min: 0, max: 2, step: 0.1, value: temperature });
  const most = make("input", { type: "number", min: 1, max: model.context, step: 1, value: Math.min(256, model.context) });
  const element = make("div", { class: "sampling" }, make("label", {}, say("temperature"), heat), make("label", {}, say("tokens"), most));
  return { element, read: () => ({ temperature: Number(heat.value), top_p: 0.95, max_tokens: Math.max(1, Math.round(Number(most.value))) }) };
}

function examples(model, take) {
  const prompts = model.examples.filter((each) => each.prompt);
  if (!prompts.length) return null;
  return make("div", { class: "examples" }, make("span", {}, say("examples")), prompts.map(({ prompt }) => make("button", { type: "button", onclick: () => take(prompt) }, prompt.length > 40 ? `${prompt.slice(0, 39)}…` : prompt)));
}

export function chat(model) {
  let said = [], stopping = null;
  const thread = make("div", { class: "thread", role: "log" });
  thread.setAttribute("aria-live", "polite");
  const settings = sampling(model, 0.7);
  const area = make("textarea", { id: "form", placeholder: say("say"), rows: 1 });
  area.setAttribute("aria-label", say("say"));
  const send = make("button", { type: "submit", class: "main" }, say("send"));
  const turn = (role, text) => {
    const element = make("div", { class: `turn ${role}` }, text);
    thread.append(element);
    thread.scrollTop = thread.scrollHeight;
    return element;
  };
  const go = async () => {
    if (stopping) return stopping.abort();
    const text = area.value.trim();
    if (!text) return;
    area.value = "";
    said.push({ role: "user", content: text });
    turn("user", text);
    const answer = turn("assistant", "");
    stopping = new AbortController();
    send.textContent = say("stop");
    try {
      for await (const piece of stream("/v1/chat/completions", { model: model.name, messages: said, ...settings.read() }, stopping.signal)) {
        answer.textContent += piece.choices[0]?.delta.content ?? "";
        thread.scrollTop = thread.scrollHeight;
      }
    } catch (error) {
      if (error.name !== "AbortError") {
        answer.classList.add("wrong");
        answer.textContent = error.message;
      }
    }
    said.push({ role: "assistant", content: answer.textContent });
    stopping = null;
    send.textContent = say("send");
    area.focus();
  };
  area.onkeydown = (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      go();
    }
  };
  const form = make("form", { class: "say", onsubmit: (event) => { event.preventDefault(); go(); } }, area, send);
  const again = make("button", { type: "button", onclick: () => { said = []; thread.replaceChildren(); area.focus(); } }, say("again"));
  const below = make("div", { class: "sampling" }, settings.element, again);
  return make("div", { class: "sheet talk" }, examples(model, (prompt) => { area.value = prompt; go(); }), thread, form, below);
}

export function writing(model) {
  let stopping = null;
  const settings = sampling(model, 0.8);
  const area = make("textarea", { id: "form", placeholder: say("prompt"), rows: 4 });
  area.setAttribute("aria-label", say("prompt"));
  const button = make("button", { type: "submit", class: "main" }, say("write"));
  const text = make("div", { class: "page-text" });
  text.setAttribute("aria-live", "polite");
  const go = async () => {
    if (stopping) return stopping.abort();
    stopping = new AbortController();
    button.textContent = say("stop");
    text.replaceChildren(make("b", {}, area.value));
    const written = make("span");
    text.append(written);
    try {
      for await (const piece of stream("/v1/completions", { model: model.name, prompt: area.value, ...settings.read() }, stopping.signal)) {
        written.textContent += piece.choices[0]?.text ?? "";
      }
    } catch (error) {
      if (error.name !== "AbortError") text.replaceChildren(make("span", { class: "wrong" }, error.message));
    }
    stopping = null;
    button.textContent = say("write");
  };
  const form = make("form", { class: "sheet", onsubmit: (event) => { event.preventDefault(); go(); } },
    examples(model, (prompt) => { area.value = prompt; go(); }), make("div", { class: "field wide" }, area), make("div", { class: "send" }, button), make("div", { class: "send" }, settings.element));
  return make("div", { class: "two" }, form, make("section", { class: "sheet answer" }, make("h2", {}, say("answer")), text));
}
