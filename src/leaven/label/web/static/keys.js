// One key for each class: 1 to 9, 0, then letters. A class that is called by a digit or a letter gets its own. A class
// keeps its key whatever is added or removed beside it; this browser remembers what was chosen.
import { me } from "./api.js";
import { memory } from "./dom.js";

export const TAKEN = { z: "undo", s: "skip", u: "unsure", h: "hide", g: "grid", e: "classes" };
const ORDER = [..."1234567890qwrtyiopadfjklxcvbnm"];

export class Keys {
  #of = new Map(); // class -> key

  constructor() { this.#of = new Map(memory.get(`keys.${me.place}`, [])); }

  update(classes) {
    for (const name of [...this.#of.keys()]) if (!classes.includes(name)) this.#of.delete(name);
    const used = new Set(this.#of.values());
    const waiting = classes.filter((name) => !this.#of.has(name));
    for (const name of waiting) {
      const own = name.toLowerCase();
      if (ORDER.includes(own) && !used.has(own)) { this.#of.set(name, own); used.add(own); }
    }
    for (const name of waiting) {
      const key = this.#of.has(name) ? null : ORDER.find((k) => !used.has(k));
      if (key) { this.#of.set(name, key); used.add(key); }
    }
    this.#save();
  }

  of(name) { return this.#of.get(name) ?? ""; }

  named(key) { return [...this.#of].find(([, k]) => k === key.toLowerCase())?.[0]; }

  // Give a class another key; whoever had it gets this class's old one. Says why not, where it cannot be.
  choose(name, key) {
    key = key.toLowerCase();
    if (TAKEN[key]) return `${key.toUpperCase()} is for ${TAKEN[key]}.`;
    if (!ORDER.includes(key)) return "Choose a digit or a letter.";
    const other = this.named(key), old = this.#of.get(name);
    if (other && other !== name) { if (old) this.#of.set(other, old); else this.#of.delete(other); }
    this.#of.set(name, key);
    this.#save();
    return "";
  }

  rename(old, name) {
    if (this.#of.has(old)) this.#of.set(name, this.#of.get(old));
    this.#of.delete(old);
    this.#save();
  }

  #save() { memory.set(`keys.${me.place}`, [...this.#of]); }
}
