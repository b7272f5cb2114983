// Small helpers. Texts are only ever set as text, never as HTML.

export const TINY = 64; // pixels: up to here each pixel of an image is shown as a square

export const $ = (id) => document.getElementById(id);

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

// New children in place of the old; what is null is left out.
export const fill = (element, ...children) => element.replaceChildren(...children.filter((child) => child != null));

export const count = (n) => Number(n ?? 0).toLocaleString("en");
export const percent = (share, digits = 0) => `${(100 * share).toFixed(digits)} %`;
export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

// crypto.randomUUID is missing where the page is not on this machine and not encrypted (a phone in the same network)
export function newId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");
}

// What is remembered in this browser; a browser that remembers nothing still works.
export const memory = {
  get(key, otherwise = null) {
    try { return JSON.parse(localStorage.getItem(`leaven.${key}`)) ?? otherwise; } catch { return otherwise; }
  },
  set(key, value) {
    try {
      if (value == null) localStorage.removeItem(`leaven.${key}`);
      else localStorage.setItem(`leaven.${key}`, JSON.stringify(value));
    } catch { /* private window, or full */ }
  },
  keys(prefix) {
    try { return Object.keys(localStorage).filter((k) => k.startsWith(`leaven.${prefix}`)).map((k) => k.slice(7)); } catch { return []; }
  },
};

// What is said stays for four seconds; a second thing said meanwhile comes below it and hides nothing.
export function toast(text) {
  const line = make("p", {}, text);
  [...$("toast").children].filter((said) => said.textContent === text).forEach((said) => said.remove());
  $("toast").append(line);
  $("toast").hidden = false;
  setTimeout(() => { line.remove(); $("toast").hidden = !$("toast").childElementCount; }, 4000);
}

export const say = (text) => { $("said").textContent = text; };
