// A form made from a model's columns: for each a field, with `read` (its value as it is sent) and `show`.
import { figure, make } from "./dom.js";
import { say } from "./words.js";

const FEW = 250; // values that a list shows at once

export function fields(columns, changed) {
  return columns.map((column, place) => {
    const field = (MAKERS[column.form] ?? text)(column, `field-${place}`, changed);
    field.column = column;
    return field;
  });
}

function framed(column, id, wide, ...content) {
  return make("div", { class: wide ? "field wide" : "field" }, make("label", { for: id }, column.name), ...content);
}

function number(column, id, changed) {
  const { low, high, whole } = column;
  const spread = high - low || 1;
  const step = whole ? 1 : 10 ** Math.floor(Math.log10(spread / 50));
  const input = make("input", { id, type: "number", step: "any", placeholder: say("unknown"), inputMode: "decimal" });
  const slider = make("input", { type: "range", min: low, max: high, step, tabIndex: -1 });
  slider.setAttribute("aria-label", column.name);
  const middle = make("span");
  const hint = make("div", { class: "hint" }, make("span", {}, figure(low)), middle, make("span", {}, figure(high)));
  const look = () => {
    const value = input.value === "" ? null : Number(input.value);
    const out = value !== null && (value < low || value > high);
    middle.textContent = say(out ? "outside" : "training");
    middle.className = out ? "out" : "";
    slider.value = value ?? (low + high) / 2;
    slider.style.opacity = value === null ? 0.35 : 1;
  };
  input.oninput = () => { look(); changed(); };
  slider.oninput = () => { input.value = Number(Number(slider.value).toPrecision(6)); look(); changed(); };
  look();
  return {
    element: framed(column, id, false, input, slider, hint),
    read: () => (input.value === "" ? null : Number(input.value)),
    show: (value) => { input.value = value ?? ""; look(); },
  };
}

function list(column, id, changed) {
  if (column.values.length > FEW) {
    const options = make("datalist", { id: `${id}-list` }, column.values.map((value) => make("option", { value })));
    const input = make("input", { id, type: "text", placeholder: say("unknown"), autocomplete: "off", oninput: changed });
    input.setAttribute("list", `${id}-list`);
    const element = framed(column, id, false, input, options);
    return { element, read: () => input.value.trim() || null, show: (value) => { input.value = value ?? ""; } };
  }
  const select = make("select", { id, onchange: changed },
    make("option", { value: "" }, say("unknown")), column.values.map((value) => make("option", { value }, value)));
  return {
    element: framed(column, id, false, select),
    read: () => select.value || null,
    show: (value) => {
      const text = value === null || value === undefined ? "" : String(value);
      if (![...select.options].some((option) => option.value === text)) select.append(make("option", { value: text }, text));
      select.value = text;
    },
  };
}

function text(column, id, changed) {
  const area = make("textarea", { id, oninput: changed, rows: 4, class: ["any", "cell"].includes(column.form) ? "short" : "" });
  return { element: framed(column, id, true, area), read: () => area.value, show: (value) => { area.value = value ?? ""; } };
}

function date(column, id, changed) {
  const input = make("input", { id, type: column.timed ? "datetime-local" : "date", onchange: changed, step: 1 });
  return {
    element: framed(column, id, false, input),
    read: () => input.value.replace("T", " ") || null,
    show: (value) => {
      const found = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?))?/.exec(value ?? "");
      input.value = found ? (column.timed ? `${found[1]}T${found[2] ?? "00:00"}` : found[1]) : "";
    },
  };
}

function labels(column, id, changed) {
  const boxes = column.values.map((value) => make("input", { type: "checkbox", value, onchange: changed }));
  const chips = make("div", { class: "chips", role: "group" }, boxes.map((box) => make("label", {}, box, box.value)));
  chips.setAttribute("aria-label", column.name);
  return {
    element: make("div", { class: "field wide" }, make("div", { class: "label" }, column.name), chips),
    read: () => boxes.filter((box) => box.checked).map((box) => box.value),
    show: (value) => {
      const there = new Set(Array.isArray(value) ? value : String(value ?? "").split(/[|;]/).map((part) => part.trim()));
      for (const box of boxes) box.checked = there.has(box.value);
    },
  };
}

function image(column, id, changed) {
  let content = null;
  const picture = make("img", { alt: "", hidden: true });
  const words = make("span", { class: "note" }, say("drop"));
  const input = make("input", { id, type: "file", accept: "image/png,image/jpeg,image/gif,image/webp,image/bmp,image/tiff" });
  const drop = make("div", { class: "drop" }, words, picture, input);
  const take = (address, drawn) => {
    content = address;
    picture.hidden = !address || drawn;
    words.hidden = !picture.hidden;
    if (!drawn && address) board?.wipe();
    if (!picture.hidden) {
      picture.onload = () => picture.classList.toggle("small", picture.naturalWidth < 100);
      picture.src = address;
    }
    changed();
  };
  const load = (file) => {
    if (!file) return;
    const reader = new FileReader();
    reader.onload = () => take(reader.result);
    reader.readAsDataURL(file);
  };
  input.onchange = () => load(input.files[0]);
  drop.ondragover = (event) => { event.preventDefault(); drop.classList.add("over"); };
  drop.ondragleave = () => drop.classList.remove("over");
  drop.ondrop = (event) => { event.preventDefault(); drop.classList.remove("over"); load(event.dataTransfer.files[0]); };
  const both = make("div", { class: "image" }, drop);
  const board = column.channels === 1 ? drawing(column, (address) => take(address, true)) : null;
  if (board) both.append(board.element);
  return {
    element: make("div", { class: "field wide" }, make("label", { for: id }, column.name), both),
    read: () => content,
    show: take,
  };
}

// A board to draw on: small grey images are mostly signs and digits, light on dark or dark on light.
function drawing(column, take) {
  const side = 280;
  const canvas = make("canvas", { width: side, height: Math.round((side * column.height) / column.wide) });
  canvas.setAttribute("aria-label", say("draw"));
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  let light = true, at = null;
  const clear = () => {
    pen.fillStyle = light ? "#000" : "#fff";
    pen.fillRect(0, 0, canvas.width, canvas.height);
  };
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * canvas.width, ((event.clientY - box.top) / box.height) * canvas.height];
  };
  const line = (from, to) => {
    pen.strokeStyle = light ? "#fff" : "#000";
    pen.lineWidth = side / 13;
    pen.lineCap = pen.lineJoin = "round";
    pen.beginPath();
    pen.moveTo(...from);
    pen.lineTo(...to);
    pen.stroke();
  };
  canvas.onpointerdown = (event) => {
    canvas.setPointerCapture(event.pointerId);
    at = place(event);
    line(at, at);
  };
  canvas.onpointermove = (event) => {
    if (!at) return;
    const now = place(event);
    line(at, now);
    at = now;
  };
  canvas.onpointerup = () => {
    at = null;
    take(canvas.toDataURL("image/png"));
  };
  clear();
  const buttons = make("div", {}, make("span", { class: "note" }, say("draw")),
    make("button", { type: "button", onclick: () => { clear(); take(null); } }, say("clear")),
    make("button", { type: "button", onclick: () => { light = !light; clear(); take(null); } }, say("invert")));
  return { element: make("div", { class: "drawing" }, canvas, buttons), wipe: clear };
}

const MAKERS = { number, list, date, labels, image, text, any: text };
