// Many items that the model takes for the same class, to be accepted at once; a click leaves one out.
import { ask, picture } from "./api.js";
import { $, TINY, fill, make, newId, percent, plural, say, toast } from "./dom.js";

// About as many as the screen has room for.
function room() {
  const box = $("grid").getBoundingClientRect(), wide = box.width > 640;
  const side = wide ? 118 : 94, columns = Math.floor((box.width - (wide ? 46 : 18)) / side);
  return Math.min(48, Math.max(4, columns * Math.max(2, Math.floor((innerHeight - box.top - 200) / side))));
}

// How many of the cells that were drawn are in sight; one row always is, for the page can be scrolled to it.
function inSight() {
  const cells = $("grid").querySelector(".cells"), style = getComputedStyle(cells), gap = parseFloat(style.rowGap);
  const columns = style.gridTemplateColumns.split(" ").length, side = cells.firstChild.getBoundingClientRect().height;
  const height = $("grid").querySelector("footer").getBoundingClientRect().top - cells.getBoundingClientRect().top;
  return columns * Math.max(1, Math.floor((height + gap) / (side + gap)));
}

export class Grid {
  #label = null;
  #questions = [];
  #out = new Set();
  #broken = new Set(); // of those left out, the ones whose picture could not be shown
  #paintedAt = Infinity;
  #ask = 0;

  // `accepted(group)`: it was sent; `refused(group)`: it was not kept; `undo()`: take back what was done last.
  constructor(outbox, on) { Object.assign(this, { outbox, on }); }

  get open() { return !$("grid").hidden; }

  async show(label = this.#label) {
    const mine = ++this.#ask, before = this.#label;
    $("grid").hidden = false;
    this.#paintedAt = Infinity;
    this.#draw([], "Looking…");
    try {
      const held = this.outbox.items().slice(0, 3000);
      const found = await ask("grid", { n: room(), held, ...(label ? { label } : {}) });
      if (mine !== this.#ask || !this.open) return;
      this.#label = found.label || null;
      this.#questions = found.questions;
      this.#out = new Set();
      this.#broken = new Set();
      this.#draw(found.choices ?? [], "");
      const most = found.questions.length ? inSight() : 0;
      if (most < found.questions.length) { // nothing is accepted that was not in sight
        this.#questions = found.questions.slice(0, most);
        this.#draw(found.choices ?? [], "");
      }
      $("grid").querySelector(".tabs [aria-pressed=true]")?.scrollIntoView({ block: "nearest", inline: "center" });
      if (label && label === before && found.questions.length && found.label !== label) toast(`${label} is done. Now: ${found.label}`);
    } catch (error) {
      if (mine === this.#ask) this.#draw([], error.message);
    }
  }

  close() { $("grid").hidden = true; this.#ask += 1; }

  key(event) {
    if (event.key === "Escape" || event.key.toLowerCase() === "g") this.on.leave();
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
        make("button", { type: "button", onclick: () => this.on.leave() }, "Back ", make("kbd", {}, "G"))),
      make("div", { class: "tabs", role: "group", "aria-label": "The model's guess" }, ...choices.map((choice) =>
        make("button", { type: "button", "aria-pressed": String(choice.label === this.#label), onclick: () => this.show(choice.label) },
          make("span", {}, choice.label), make("small", {}, String(choice.count))))),
      empty ? make("p", { class: "soft" }, empty) : make("p", { class: "soft" }, "Click those that are not. They stay unlabelled and are asked one by one."),
      make("div", { class: "cells" }, ...cells),
      make("footer", {},
        make("button", { type: "button", "aria-keyshortcuts": "z", onclick: () => this.on.undo() }, "Undo ", make("kbd", {}, "Z")),
        cells.length ? make("button", { type: "button", class: "main", id: "accept", onclick: (event) => this.#accept(event.timeStamp) }) : null),
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
    const image = make("img", { src: picture(question, "grid"), alt: `Item ${i + 1}`, draggable: "false" });
    image.addEventListener("load", () => image.classList.toggle("tiny", Math.max(image.naturalWidth, image.naturalHeight) <= TINY));
    image.addEventListener("error", () => this.#leaveOut(question.item, cell, true));
    const cell = make("button", { type: "button", "aria-pressed": "false", title: question.name, onclick: () => this.#leaveOut(question.item, cell) },
      image, question.confidence == null ? null : make("small", {}, percent(question.confidence)));
    return cell;
  }

  #leaveOut(item, cell, always = false) {
    const out = always || !this.#out.has(item);
    if (always) this.#broken.add(item);
    if (out) this.#out.add(item); else this.#out.delete(item);
    cell.setAttribute("aria-pressed", String(out));
    this.#count();
  }

  #count() {
    const button = $("accept");
    if (!button) return;
    const n = this.#questions.length - this.#out.size;
    button.replaceChildren(...(n ? [`Label ${n} as `, make("b", {}, this.#label)] : ["None is ", make("b", {}, this.#label)]), " ", make("kbd", {}, "Enter"));
    button.disabled = this.#paintedAt === Infinity;
  }

  async #accept(when) {
    if (!this.#label || when < this.#paintedAt || this.outbox.full || !this.#questions.length) return;
    const label = this.#label, event = newId(), broken = [...this.#broken];
    const shown = this.#questions.filter(({ item }) => !this.#out.has(item));
    const leftOut = [...this.#out].filter((item) => !broken.includes(item));
    if (!shown.length && !leftOut.length) return;
    const items = shown.map(({ item, version }, i) => [i ? newId() : event, item, version ?? ""]);
    const group = { label, items: shown.map(({ item }) => item), events: [event, ...items.slice(1).map(([id]) => id)] };
    this.#paintedAt = Infinity;
    const done = this.outbox.push({ type: "accept", event, label, items, left_out: leftOut });
    this.on.accepted(group);
    this.show(label); // what was accepted may still be on its way
    const result = await done;
    if (!result.ok) { this.on.refused(group); toast(`Not kept: ${result.error}`); return; }
    const kept = result.receipts.length, more = items.length - kept;
    say(`${plural(kept, "item")} labelled ${label}`);
    if (more) { this.on.refused({ ...group, items: group.items.filter((item) => !result.receipts.some((r) => r.item === item)) }, true); toast(`${plural(more, "item")} not labelled: changed, or answered before.`); }
  }
}
