// Asking the server, with a key where it wants one.
import { say } from "./words.js";

const KEY = "netwright-key";

function headers(more) {
  const key = sessionStorage.getItem(KEY);
  return key ? { ...more, authorization: `Bearer ${key}` } : { ...more };
}

function askForKey() {
  const dialog = document.getElementById("key"), field = document.getElementById("key_value");
  field.value = "";
  dialog.showModal();
  return new Promise((done) => {
    dialog.onclose = () => {
      sessionStorage.setItem(KEY, field.value.trim());
      done();
    };
  });
}

export async function asked(path, options = {}) {
  for (;;) {
    let answer;
    try {
      answer = await fetch(path, { ...options, headers: headers(options.headers) });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Error(say("offline"));
    }
    if (answer.status === 401) {
      await askForKey();
      continue;
    }
    if (!answer.ok) {
      const told = await answer.json().catch(() => null);
      throw new Error(told?.error?.message ?? `${answer.status}`);
    }
    return answer;
  }
}

export async function json(path, value, signal) {
  const options = value === undefined ? {} : { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(value), signal };
  return (await asked(path, options)).json();
}

// Server-sent events: each piece of a text as it comes.
export async function* stream(path, value, signal) {
  const answer = await asked(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ ...value, stream: true }), signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { done, value: part } = await reader.read();
    if (done) return;
    held += part;
    const events = held.split("\n\n");
    held = events.pop();
    for (const event of events) {
      const text = event.replace(/^data: /, "");
      if (text === "[DONE]") return;
      const piece = JSON.parse(text);
      if (piece.error) throw new Error(piece.error.message);
      yield piece;
    }
  }
}
