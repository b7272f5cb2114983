// What was done here and is not known to be kept by the server yet, in its order. It is sent one request at a time and
// again until the server says that it has it; every entry has an id, so that what arrives twice counts once. A copy is
// kept in the browser: a closed or crashed page sends it when it is opened again.
import { Refused, ask, me } from "./api.js";
import { memory, newId } from "./dom.js";

const MOST_UNSENT = 40; // more than this are not taken: whoever labels should see that nothing arrives
const BATCH = 25;

export class Outbox extends EventTarget {
  entries = [];
  lost = false; // what is sent does not arrive
  why = ""; // what the server says of that: the labels cannot be written; empty where there is no connection
  closed = ""; // why the server will not take any more
  #sending = false;
  #wait = 300;
  #timer = null;
  #single = false;
  #own = "";

  // Begin, with what an earlier page of this run could not send.
  open() {
    this.#own = `outbox.${me.place}.${newId()}`;
    for (const key of memory.keys(`outbox.${me.place}.`)) {
      for (const entry of memory.get(key, [])) {
        this.entries.push({ entry, settle: (result) => { if (!result.ok) this.dispatchEvent(new CustomEvent("refused", { detail: result.error })); } });
      }
      memory.set(key, null);
    }
    this.#save();
    this.#flush();
    addEventListener("online", () => this.now());
  }

  get full() { return this.entries.length >= MOST_UNSENT || Boolean(this.closed); }

  items() {
    return this.entries.flatMap(({ entry }) => entry.item ?? [...(entry.items?.map((triple) => triple[1]) ?? []), ...(entry.left_out ?? [])]);
  }

  // A promise of what the server says of it.
  push(entry) {
    return new Promise((settle) => {
      this.entries.push({ entry: { annotator: me.name, ...entry }, settle });
      this.#save();
      this.#flush();
    });
  }

  now() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#flush();
  }

  async #flush() {
    if (this.#sending || this.#timer || this.closed) return;
    this.#sending = true;
    try {
      while (this.entries.length) {
        const batch = this.#batch();
        const { results } = await ask("send", { entries: batch.map(({ entry }) => entry) });
        this.#known(results);
        this.#single = false;
        this.#wait = 300;
      }
      this.#back();
    } catch (error) {
      this.#failed(error);
    }
    this.#sending = false;
    this.#tell();
  }

  // The server has said what becomes of the first of them.
  #known(results) {
    const known = this.entries.splice(0, results.length);
    this.#save();
    known.forEach(({ settle }, i) => settle(results[i]));
  }

  #batch() {
    const end = this.entries.findIndex(({ entry }, i) => i > 0 && entry.items);
    const most = this.#single || this.entries[0].entry.items ? 1 : BATCH;
    return this.entries.slice(0, end < 0 ? most : Math.min(end, most));
  }

  #failed(error) {
    const status = error instanceof Refused ? error.status : 0;
    if ([400, 413, 415].includes(status)) { // of one that the server does not understand the others must not suffer
      if (this.#single || this.entries.length === 1) {
        this.#known([{ ok: false, error: error.message }]);
      }
      this.#single = true;
      this.#wait = 50;
    } else if ([401, 403, 421].includes(status)) {
      this.closed = error.message;
    } else {
      if (error.told?.results?.length) { this.#known(error.told.results); this.#wait = 300; }
      this.lost = true;
      this.why = status === 503 ? error.message : "";
    }
    if (this.closed || !this.entries.length) return;
    this.#timer = setTimeout(() => this.now(), Math.max(this.#wait, error.retry ?? 0));
    this.#wait = Math.min(1.6 * this.#wait, 4000);
  }

  #back() {
    this.#wait = 300;
    if (!this.lost) return;
    this.lost = false;
    this.why = "";
    this.dispatchEvent(new Event("back"));
  }

  // The poll found the server there, or not; `why` the labels cannot be read, where they cannot.
  heard(there, why = "") {
    const connected = there && this.lost && !this.why;
    if (!there || why) Object.assign(this, { lost: true, why });
    else if (!this.entries.length) this.#back();
    else if (connected) this.now(); // a store that could not be written is tried by the timer, as slowly as it says
    this.#tell();
  }

  #save() {
    memory.set(this.#own, this.entries.length ? this.entries.map(({ entry }) => entry) : null);
    this.#tell();
  }

  #tell() { this.dispatchEvent(new Event("change")); }
}
