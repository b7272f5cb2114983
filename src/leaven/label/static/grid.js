// Many items that the model takes for the same class, to be accepted at once; a click leaves one out.
import { ask, picture } from "./api.js";
import { $, fill, make, newId, percent, plural, say, toast } from "./dom.js";
import { TINY } from "./stage.js";

// As many as the screen has room for: nothing is accepted that was not in sight.
function room() {
  const box = $("grid").getBoundingClientRect(), wide = box.width > 640;
  const side = wide ? 118 : 94, columns = Math.floor((box.width - (wide ? 46 : 18)) / side);
  const rows = Math.floor((innerHeight - box.top - (wide ? 240 : 290)) / side);
  return Math.min(48, Math.max(4, columns * Math.max(rows, 2)));
}

export class Grid {
  #label = null;
  #questions = [];
  #out = new Set();
  #paintedAt = Infinity;
  #ask = 0;

  constructor(outbox, leave, accepted) { Object.assign(this, { outbox, leave, accepted }); }

  get open() { return !$("grid").hidden; }

  async show(label = this.#label) {
    const mine = ++this.#ask;
    $("grid").hidden = false;
    this.#paintedAt = Infinity;
    this.#draw([], "Looking…");
    try {
      const found = await ask("grid", { n: room(), ...(label ? { label } : {}) });
      if (mine !== this.#ask || !this.open) return;
      const held = new Set(this.outbox.items());
      this.#label = found.label || null;
      this.#questions = found.questions.filter(({ item }) => !held.has(item));
      this.#out = new Set();
      this.#draw(found.choices ?? [], "");
    } catch (error) {
      if (mine === this.#ask) this.#draw([], error.message);
    }
  }

  close() { $("grid").hidden = true; this.#ask += 1; }

  key(event) {
    if (event.key === "Escape" || event.key.toLowerCase() === "g") this.leave();
    else if (event.key === "Enter" && !document.activeElement?.matches("#grid button:focus-visible")) this.#accept(event.timeStamp);
    else return false;
    return true;
  }

  #draw(choices, note) {
    const cells = this.#label ? this.#questions.map((question, i) => this.#cell(question, i)) : [];
    const empty = note || (cells.length ? "" : "Nothing to accept at once: the model has no guesses yet, or all are answered.");
    fill(
      $("grid"),
      make("header", {},
        make("h1", {}, cells.length ? "Are these all " : "Grid", cells.length ? make("em", {}, this.#label) : null, cells.length ? "?" : ""),
        make("button", { type: "button", onclick: () => this.leave() }, "Back ", make("kbd", {}, "G"))),
      make("div", { class: "tabs", role: "group", "aria-label": "The model's guess" }, ...choices.map((choice) =>
        make("button", { type: "button", "aria-pressed": String(choice.label === this.#label), onclick: () => this.show(choice.label) },
          make("span", {}, choice.label), make("small", {}, String(choice.count))))),
      empty ? make("p", { class: "soft" }, empty) : make("p", { class: "soft" }, "Click those that are not. They stay unlabelled and are asked later."),
      make("div", { class: "cells" }, ...cells),
      make("footer", {}, cells.length ? make("button", { type: "button", class: "main", id: "accept", onclick: (event) => this.#accept(event.timeStamp) }) : null),
    );
    this.#count();
    const images = [...$("grid").querySelectorAll("img")], mine = this.#ask;
    if (!cells.length) return;
    Promise.allSettled(images.map((image) => image.decode())).then(() => requestAnimationFrame(() => setTimeout(() => {
      if (mine !== this.#ask) return;
      this.#paintedAt = performance.now();
      this.#count();
    })));
  }

  #cell(question, i) {
    const image = make("img", { src: picture(question.item, "grid"), alt: `Item ${i + 1}`, draggable: "false" });
    image.addEventListener("load", () => image.classList.toggle("tiny", Math.max(image.naturalWidth, image.naturalHeight) <= TINY));
    image.addEventListener("error", () => this.#leaveOut(question.item, cell, true));
    const cell = make("button", { type: "button", "aria-pressed": "false", title: question.name, onclick: () => this.#leaveOut(question.item, cell) },
      image, question.confidence == null ? null : make("small", {}, percent(question.confidence)));
    return cell;
  }

  #leaveOut(item, cell, always = false) {
    const out = always || !this.#out.has(item);
    if (out) this.#out.add(item); else this.#out.delete(item);
    cell.setAttribute("aria-pressed", String(out));
    this.#count();
  }

  #count() {
    const button = $("accept");
    if (!button) return;
    const n = this.#questions.length - this.#out.size;
    button.replaceChildren(`Label ${n} as `, make("b", {}, this.#label), " ", make("kbd", {}, "Enter"));
    button.disabled = n === 0 || this.#paintedAt === Infinity;
  }

  async #accept(when) {
    if (!this.#label || when < this.#paintedAt || this.outbox.full) return;
    const items = this.#questions.map(({ item }) => item).filter((item) => !this.#out.has(item));
    if (!items.length) return;
    const label = this.#label;
    this.#paintedAt = Infinity;
    const done = this.outbox.push({ type: "accept", label, items: items.map((item) => [newId(), item]) });
    this.accepted(items);
    const result = await done;
    if (result.ok) say(`${plural(items.length, "item")} labelled ${label}`);
    else toast(result.error);
    if (this.open) this.show(label);
  }
}
