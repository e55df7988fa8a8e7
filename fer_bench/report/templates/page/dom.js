"use strict";
// Elements, controls and the colour theme. Texts are set as text: nothing from a record is ever read as HTML.

const SVG = "http://www.w3.org/2000/svg";

/** An element. Attributes named on... are listeners; `vars` sets CSS variables; true, false and null mean there, not there. */
function build(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "vars") for (const [key, text] of Object.entries(value)) node.style.setProperty(`--${key}`, text);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}
const h = (tag, attributes = {}, ...children) => build(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) => build(document.createElementNS(SVG, tag), attributes, children);
const byId = (id) => document.getElementById(id);
const hidden = (text) => h("span", { class: "sr" }, text);

/** A labelled list to choose from; options are [value, text]. */
function choice(label, options, value, change) {
  const entries = options.map(([key, text]) => h("option", { value: key, selected: key === value }, text));
  return h("label", { class: "field" }, h("span", {}, label), h("select", { onchange: (event) => change(event.target.value) }, entries));
}

let groups = 0;
/** Two or three choices side by side: radio buttons, so that arrow keys work. */
function segments(label, options, value, change) {
  const name = `segments-${++groups}`;
  const buttons = options.map(([key, text]) => h("label", {},
    h("input", { type: "radio", name, value: key, checked: key === value, onchange: () => change(key) }), h("span", {}, text)));
  return h("fieldset", { class: "segments" }, h("legend", {}, label), h("div", {}, buttons));
}

function tickbox(label, checked, change) {
  return h("label", { class: "tick" }, h("input", { type: "checkbox", checked, onchange: (event) => change(event.target.checked) }), h("span", {}, label));
}

/** A box that scrolls sideways by itself, with a finger or with the keyboard. */
const scroller = (label, ...inside) => h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, inside);

/** Names and texts in columns; below them those that are too long for one. */
function pairs(list) {
  const wide = ([name, text]) => name.length + text.length > 33;
  const ordered = [...list.filter((pair) => !wide(pair)), ...list.filter(wide)];
  return h("dl", { class: "pairs" }, ordered.map((pair) => h("div", { class: wide(pair) ? "wide" : null }, h("dt", {}, pair[0]), h("dd", {}, pair[1]))));
}

/** A short note beside something on the page, while it is pointed at or has the focus. */
const tip = {
  show(lines, box) {
    const node = byId("tip");
    (document.querySelector("dialog[open]") ?? document.body).append(node);
    node.replaceChildren(...lines.map((line) => h("div", {}, line)));
    node.hidden = false;
    const left = Math.min(Math.max(8, (box.left + box.right - node.offsetWidth) / 2), document.documentElement.clientWidth - node.offsetWidth - 8);
    const above = box.top - node.offsetHeight - 10;
    node.style.left = `${left}px`;
    node.style.top = `${above > 4 ? above : box.bottom + 10}px`;
  },
  hide() {
    byId("tip").hidden = true;
  },
};

const theme = {
  key: "fer-bench-theme",
  dark: matchMedia("(prefers-color-scheme: dark)"),
  /** A page opened from a file may have no storage; then the choice lasts as long as the page. */
  stored(value) {
    try {
      if (value) localStorage.setItem(theme.key, value);
      return localStorage.getItem(theme.key);
    } catch {
      return value ?? null;
    }
  },
  get now() {
    return document.documentElement.dataset.theme ?? (theme.dark.matches ? "dark" : "light");
  },
  set(value) {
    document.documentElement.dataset.theme = value;
  },
  start() {
    const button = byId("theme");
    const name = () => { button.textContent = theme.now === "dark" ? "Light theme" : "Dark theme"; };
    button.hidden = false;
    button.addEventListener("click", () => { theme.set(theme.now === "dark" ? "light" : "dark"); theme.stored(theme.now); name(); });
    theme.dark.addEventListener("change", name);
    name();
  },
};
// Before anything is painted.
if (["dark", "light"].includes(theme.stored())) theme.set(theme.stored());
