// The dialog in which classes are added, renamed, removed and given keys.
import { $, make, newId } from "./dom.js";

export class Classes {
  #names = [];
  #asked = ""; // the class whose removal is being confirmed
  #choosing = ""; // the class whose key is being chosen

  constructor(outbox, keys, changed) {
    Object.assign(this, { outbox, keys, changed });
    $("class-new").addEventListener("submit", (event) => {
      event.preventDefault();
      const name = $("class-name").value.trim();
      if (name) this.#new(name).then((ok) => { if (ok) $("class-name").value = ""; });
      $("class-name").focus();
    });
    $("classes").addEventListener("keydown", (event) => this.#key(event));
  }

  update(names) {
    const same = names.join("\n") === this.#names.join("\n");
    this.#names = names;
    if (!same && $("classes").open && !document.activeElement?.matches("#class-rows input")) this.#draw();
  }

  show() {
    this.#asked = this.#choosing = "";
    $("class-wrong").textContent = "";
    this.#draw();
    $("classes").showModal();
  }

  // Names in lines or with commas between, which the server takes apart; says what is wrong, or nothing.
  async add(text) {
    const result = await this.outbox.push({ type: "classes", event: newId(), lines: text.split("\n") });
    if (result.ok) this.changed(result.classes);
    return result.error ?? "";
  }

  async #new(text) {
    if (!text.includes(",")) return this.#send("class_add", text);
    $("class-wrong").textContent = await this.add(text);
    this.#draw();
    return !$("class-wrong").textContent;
  }

  async #send(kind, label, old = "") {
    const result = await this.outbox.push({ type: "class", event: newId(), kind, label, old });
    $("class-wrong").textContent = result.ok ? "" : result.error;
    if (result.ok && kind === "class_rename") this.keys.rename(old, label);
    if (result.ok) this.changed(result.classes);
    this.#asked = "";
    this.#draw();
    return result.ok;
  }

  #draw() {
    $("class-rows").replaceChildren(...this.#names.map((name) => this.#row(name)));
    if (!this.#names.length) $("class-rows").append(make("li", { class: "soft" }, "None yet."));
    $("class-rows").querySelector(".key[aria-pressed=true]")?.focus();
  }

  #row(name) {
    if (this.#asked === name) {
      const keep = make("button", { type: "button", onclick: () => { this.#asked = ""; this.#draw(); } }, "Keep");
      queueMicrotask(() => keep.focus());
      return make("li", { class: "confirm" },
        make("span", {}, "Remove ", make("b", {}, name), "? Its labels do not count any more, and its items are asked again."),
        keep, make("button", { type: "button", class: "wrong", onclick: () => this.#send("class_remove", "", name) }, "Remove"));
    }
    const input = make("input", { value: name, "aria-label": `Name of ${name}`, maxlength: "200", spellcheck: "false", autocomplete: "off" });
    const rename = () => {
      const label = input.value.trim();
      if (label && label !== name) this.#send("class_rename", label, name);
      else input.value = name;
    };
    input.addEventListener("change", rename);
    input.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); input.blur(); } });
    const choosing = this.#choosing === name;
    return make("li", {},
      make("button", { type: "button", class: "key", "aria-label": choosing ? `Press the key for ${name}` : `Key of ${name}: ${this.keys.of(name) || "none"}; choose another`,
        "aria-pressed": String(choosing), onclick: () => { this.#choosing = choosing ? "" : name; this.#draw(); } },
      choosing ? "press" : this.keys.of(name).toUpperCase() || "–"),
      input,
      make("button", { type: "button", "aria-label": `Remove ${name}`, onclick: () => { this.#asked = name; this.#draw(); } }, "Remove"));
  }

  #key(event) {
    if (!this.#choosing || ["Tab", "Shift"].includes(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key !== "Escape") $("class-wrong").textContent = this.keys.choose(this.#choosing, event.key);
    const name = this.#choosing;
    this.#choosing = "";
    this.#draw();
    $("class-rows").children[this.#names.indexOf(name)]?.querySelector(".key").focus();
    this.changed(this.#names, true);
  }
}
