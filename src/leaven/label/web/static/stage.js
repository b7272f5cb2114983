// The question on the screen, the next ones behind it, and the ones before it.
//
// An answer counts only if it was given after its picture was painted: a key that was pressed while the picture before
// was still there is not for this one, whenever the browser gets round to telling us.
import { ask, picture } from "./api.js";
import { $, TINY } from "./dom.js";

const AHEAD = 8, LOW = 5; // pictures that wait decoded; fewer than LOW are filled up

const soon = new MessageChannel(); // runs after the frame is drawn, where a timer would wait longer
const waiting = [];
soon.port1.onmessage = () => waiting.shift()?.();
const afterPaint = (call) => requestAnimationFrame(() => { waiting.push(call); soon.port2.postMessage(0); });

export class Stage extends EventTarget {
  current = null;
  before = []; // answered here, newest last: what an undo brings back at once; a grid is one of them
  held = () => []; // items whose answers the server does not have yet
  ended = false;
  #queue = [];
  #answered = new Set();
  #filling = false;
  #again = false;

  // Whether an answer given at `when` (of performance.now) is for what is on the screen.
  takes(when) { return this.current !== null && when >= this.current.paintedAt; }

  // The entry that was on the screen goes; the next comes.
  leave() {
    const entry = this.current;
    this.before.push(entry);
    if (this.before.length > 60) this.before.shift().image?.removeAttribute("src");
    this.#answered.add(entry.question.item);
    this.#show(this.#queue.shift() ?? null);
    this.fill();
    return entry;
  }

  // Bring a question back; what is on the screen comes after it.
  back(entry) {
    if (this.current) this.#queue.unshift(this.current);
    this.#queue = this.#queue.filter((other) => other.question.item !== entry.question.item);
    this.#answered.delete(entry.question.item);
    this.#show(entry);
  }

  // Items that were answered elsewhere on the page, in the grid; `group` is how an undo knows them.
  drop(items, group) {
    const gone = new Set(items);
    for (const item of gone) this.#answered.add(item);
    this.#queue = this.#queue.filter(({ question }) => !gone.has(question.item));
    if (this.current && gone.has(this.current.question.item)) this.#show(this.#queue.shift() ?? null);
    this.before.push(group);
    this.fill();
  }

  // A better model asks other questions: what waits is asked for anew, but for the next two, which are decoded.
  renew() {
    this.#queue.length = Math.min(this.#queue.length, 2);
    this.fill();
  }

  free(items) { for (const item of items) this.#answered.delete(item); }

  async fill() {
    if (this.#filling) { this.#again = true; return; }
    if (this.#queue.length >= LOW) return;
    this.#filling = true;
    try {
      const there = [this.current, ...this.#queue].filter(Boolean).map(({ question }) => question.item);
      const held = [...new Set([...there, ...this.held()])].slice(0, 256);
      const { questions } = await ask("questions", { n: AHEAD, held });
      const known = new Set([this.current, ...this.#queue].filter(Boolean).map(({ question }) => question.item));
      for (const question of questions) {
        if (known.has(question.item) || this.#answered.has(question.item)) continue;
        known.add(question.item);
        this.#queue.push(entryOf(question));
      }
      if (!this.current && this.#queue.length) this.#show(this.#queue.shift());
      const ended = !this.current && !this.#queue.length;
      if (ended !== this.ended) { this.ended = ended; this.dispatchEvent(new Event("ended")); }
    } catch { /* the outbox and the poll tell; the poll asks again */ }
    this.#filling = false;
    if (this.#again) { this.#again = false; this.fill(); }
  }

  peek() { return this.current?.image; }

  async #show(entry) {
    this.current = entry;
    $("stage").classList.toggle("waits", !entry?.decoded);
    if (!entry) { $("frame").replaceChildren(); this.dispatchEvent(new Event("shown")); return; }
    entry.paintedAt = Infinity;
    if (!entry.decoded) $("frame").replaceChildren();
    await entry.ready;
    if (this.current !== entry) return;
    if (entry.replaced) { // another file lies there now: it is asked about anew
      this.#show(this.#queue.shift() ?? null);
      setTimeout(() => this.fill(), 300);
      return;
    }
    if (entry.broken) { // the server was told, and does not ask about it again
      this.#answered.add(entry.question.item);
      this.#show(this.#queue.shift() ?? null);
      this.fill();
      return;
    }
    $("frame").replaceChildren(entry.image);
    $("stage").classList.remove("waits");
    this.dispatchEvent(new Event("shown"));
    afterPaint(() => {
      if (this.current !== entry) return;
      entry.paintedAt = performance.now();
      $("frame").dataset.painted = entry.question.item;
      this.dispatchEvent(new Event("painted"));
    });
  }
}

// A question with its picture, which begins to load and to be decoded.
export function entryOf(question) {
  const image = new Image();
  const entry = { question, image, paintedAt: Infinity, broken: false, decoded: false };
  image.alt = "The item to label";
  image.draggable = false;
  image.src = picture(question);
  entry.ready = load(entry);
  return entry;
}

async function load(entry, tries = 0) {
  const { image, question } = entry;
  try {
    await image.decode();
    image.classList.toggle("tiny", Math.max(image.naturalWidth, image.naturalHeight) <= TINY);
    entry.decoded = true;
  } catch {
    const status = await fetch(image.src).then((answer) => answer.status, () => 0);
    if (status === 410) {
      entry.replaced = true;
      return;
    }
    if (status === 422 || status === 404 || (status === 200 && tries > 2)) {
      entry.broken = true;
      return;
    }
    await new Promise((go) => setTimeout(go, Math.min(4000, 200 * 2 ** tries)));
    image.src = `${picture(question)}-${tries}`;
    await load(entry, tries + 1);
  }
}
