// The page: what a key, a click or the clock does.
import { Refused, ask, me } from "./api.js";
import { Classes } from "./classes.js";
import { askName, help, look, showName } from "./dialogs.js";
import { $, make, memory, newId, percent, plural, say, toast } from "./dom.js";
import { Grid } from "./grid.js";
import { Keys } from "./keys.js";
import { Outbox } from "./outbox.js";
import { showPanel } from "./panel.js";
import { Stage, entryOf } from "./stage.js";

const WHY = {
  audit: "drawn at random to check the model; its guess is hidden", random: "drawn at random",
  typiclust: "typical of many", k_center: "unlike all labelled ones", margin: "the model wavers between two classes",
  entropy: "the model is unsure", badge: "the model would learn much from it", learned: "the method wants it",
  default: "the model would learn much from it",
};

const outbox = new Outbox(), stage = new Stage();
let keys, classes = [], version = null, status = {}, undoing = false, hidden = memory.get("hide", false);
const grid = new Grid(outbox, {
  leave: () => toGrid(false), undo: () => undo(), accepted: (group) => stage.drop(group.items, group),
  refused(group, some = false) {
    stage.free(group.items);
    if (!some) stage.before = stage.before.filter((other) => other !== group);
  },
});
let editor;

stage.held = () => outbox.items();

async function begin() {
  const name = memory.get("name");
  if (name) me.name = name;
  for (let wait = 250; ; wait = Math.min(2 * wait, 4000)) {
    try {
      const opened = await ask("open");
      Object.assign(me, { place: opened.place, stamp: opened.stamp });
      if (opened.ask && !name) await askName();
      else me.name ||= opened.annotator;
      $("run").textContent = opened.run;
      document.title = `${opened.run} · leaven`;
      keys = new Keys();
      editor = new Classes(outbox, keys, setClasses);
      showName();
      outbox.open();
      take(opened.status);
      await stage.fill();
      break;
    } catch (error) {
      banner(error instanceof Refused ? error.message : "The server does not answer; trying again.");
      await new Promise((go) => setTimeout(go, wait));
    }
  }
  banner("");
  outbox.heard(true, status.store);
  poll();
}

// What the server says of the whole.
function take(news) {
  status = news;
  setClasses(news.classes);
  showPanel(news);
  if (version !== null && news.version !== version) stage.renew();
  version = news.version;
  if (stage.ended) end();
}

async function poll() {
  for (;;) {
    const wait = !ranked() ? 400 : status.training?.state === "training" ? 1000 : 2000;
    await new Promise((go) => setTimeout(go, wait));
    if (document.hidden) continue;
    try {
      take(await ask("status", undefined, 12000));
      outbox.heard(true, status.store);
      stage.fill();
    } catch (error) {
      if (error instanceof Refused && [401, 403, 421].includes(error.status)) outbox.closed ||= error.message;
      if (error instanceof Refused) tell(error);
      else outbox.heard(false);
    }
  }
}

function tell(error) { banner(outbox.closed ? closedText() : error.message); }

const unsent = () => (outbox.entries.length ? ` ${plural(outbox.entries.length, "answer")} kept here until it is back.` : "");
const lostText = () => `${outbox.why || "Connection lost, trying again."}${outbox.full
  ? ` ${plural(outbox.entries.length, "answer")} wait here; no more are taken until it is back.` : unsent()}`;
const closedText = () => `${outbox.closed}${unsent()}`;

function banner(text) {
  if ($("banner").textContent !== text) $("banner").textContent = text;
  $("banner").hidden = !text;
}

outbox.addEventListener("change", () => {
  if (outbox.closed) banner(closedText());
  else if (outbox.lost) banner(lostText());
  else banner("");
});
outbox.addEventListener("back", () => {
  toast("All is well again, and every answer has arrived.");
  if (grid.open) grid.show();
});
outbox.addEventListener("refused", (event) => toast(`Not kept: ${event.detail}`)); // of a page that was closed

// ---- classes

function setClasses(names, anew = false) {
  if (!anew && names.join("\n") === classes.join("\n")) { screens(); return; }
  classes = [...names];
  keys.update(classes);
  $("choices").replaceChildren(...classes.map((name) => {
    const key = keys.of(name);
    return make("button", { type: "button", "data-label": name, "aria-keyshortcuts": key || null, onclick: (event) => answer("label", name, event.timeStamp) },
      make("kbd", {}, key.toUpperCase()), make("span", {}, name));
  }));
  $("choices").classList.toggle("many", classes.length > 12);
  editor.update(classes);
  showGuess();
  screens();
}

// Which of the screens is seen.
function screens() {
  const start = classes.length === 0, done = !start && stage.ended && !stage.current, many = !start && grid.open;
  $("start").hidden = !start;
  $("done").hidden = !done || many;
  $("stage").hidden = start || done || many;
  $("panel").hidden = start;
  if (start && stage.peek() && !$("peek").firstChild) $("peek").append(stage.peek().cloneNode());
}

$("start-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = $("start-names").value;
  $("start-wrong").textContent = text.trim() ? await editor.add(text) : "Name one class at least.";
  document.activeElement?.blur();
});

// ---- questions

stage.addEventListener("shown", () => { showGuess(); screens(); });
stage.addEventListener("ended", () => { if (stage.ended) end(); screens(); });

function showGuess() {
  const question = stage.current?.question;
  const guess = question && classes.includes(question.suggestion) ? question.suggestion : "";
  for (const button of $("choices").children) button.classList.toggle("guessed", Boolean(guess) && !hidden && button.dataset.label === guess);
  $("caption").replaceChildren(make("span", { class: "file" }, question?.name ?? ""), make("span", {}, WHY[question?.strategy] ?? question?.strategy ?? ""));
  const toggle = (text) => make("button", { type: "button", class: "link", "aria-keyshortcuts": "h", onclick: hide }, text, " ", make("kbd", {}, "H"));
  if (!guess) $("guess").replaceChildren(make("span", { class: "soft" }, question && status.model !== "" && question.strategy === "audit" ? "No guess shown for this one" : "\u00a0"));
  else if (hidden) $("guess").replaceChildren(toggle("Show the model's guess"));
  else {
    $("guess").replaceChildren(
      make("button", { type: "button", class: "accept", "aria-keyshortcuts": "Enter", onclick: (event) => accept(event.timeStamp) },
        make("span", {}, "Model: "), make("b", {}, guess), question.confidence == null ? null : ` ${percent(question.confidence)} `, make("kbd", {}, "Enter")),
      toggle("Hide"));
  }
}

const guessed = () => (!hidden && classes.includes(stage.current?.question.suggestion) ? stage.current.question.suggestion : "");

function hide() {
  hidden = !hidden;
  memory.set("hide", hidden || null);
  showGuess();
}

function accept(when) { if (guessed()) answer("label", guessed(), when); }

async function answer(kind, label, when) {
  const entry = stage.current;
  if (undoing || !stage.takes(when)) return;
  if (outbox.full) { say("No more answers are taken until those that wait have arrived."); return; }
  const shown = Boolean(guessed()), seconds = Math.max(0, when - entry.paintedAt) / 1000;
  const event = newId(), { item, version } = entry.question;
  entry.events = [event];
  stage.leave();
  say(kind === "label" ? label : kind);
  flash(kind, label);
  const result = await outbox.push({ type: "answer", event, kind, item, version, label: kind === "label" ? label : "", shown, seconds });
  if (result.ok) {
    if (kind === "skip") stage.free([item]); // it comes back when nothing else is left
    const labelled = result.receipt?.labelled;
    if (labelled != null) showPanel(status = { ...status, labelled, counts: counted(label) });
    return;
  }
  stage.before = stage.before.filter((other) => other !== entry);
  if (!result.conflict) stage.free([item]);
  if (result.question) { stage.back(entryOf(result.question)); stage.ended = false; screens(); }
  toast(result.conflict ? "That one was answered already, by you in another window; the first answer stands." : `Not kept: ${result.error}`);
}

// Until the server is asked again.
const counted = (label) => ({ ...status.counts, ...(label in (status.counts ?? {}) ? { [label]: status.counts[label] + 1 } : {}) });

function flash(kind, label) {
  const button = kind === "label" ? [...$("choices").children].find((b) => b.dataset.label === label) : $(kind);
  button?.classList.add("hit");
  setTimeout(() => button?.classList.remove("hit"), 130);
}

async function undo() {
  if (undoing || outbox.closed) return;
  const entry = stage.before.pop();
  if (!entry && outbox.lost) { toast("What was answered before this page was opened is undone once the connection is back."); return; }
  if (entry?.question) stage.back(fresh(entry));
  undoing = !entry;
  const sent = outbox.push({ type: "undo", event: newId(), undoes: entry?.events ?? [] });
  if (entry && !entry.question) tellGroup(entry.items, entry.label);
  const result = await sent;
  if (!entry) undoing = false;
  if (!result.ok) { toast(`Not undone: ${result.error}`); return; }
  if (!result.undone) { if (!entry) toast("There is nothing to undo."); return; }
  const { question, items = [], undone } = result.undone;
  if (question) {
    say("Undone");
    if (!entry || (entry.question && entry.question.version !== question.version)) stage.back(entryOf(question));
    stage.free(items);
    if (grid.open) { toast(`Undone: ${undone.label || undone.kind} of ${question.name}`); grid.show(entry?.label); }
  } else {
    if (!entry) tellGroup(items, undone.label);
    if (grid.open) grid.show(entry?.label || undone.label);
  }
  stage.ended = false;
  screens();
  ask("status").then(take, () => {});
}

// What was accepted in the grid is open again.
function tellGroup(items, label) {
  stage.free(items);
  toast(items.length ? `Undone: ${plural(items.length, "item")} labelled ${label}` : `Undone: what was left out of ${label} is offered again`);
}

// The same question again; the picture is there, but has to be painted anew before it counts.
function fresh(entry) { return { ...entry, paintedAt: Infinity }; }

const ranked = () => ["done", "failed", "", undefined].includes(status.ranking?.state);

function end() {
  const n = status.items ?? 0;
  const answered = (status.labelled ?? 0) + (status.skipped ?? 0) + (status.unsure ?? 0);
  const rest = answered < n, looking = !ranked();
  $("done-title").textContent = looking ? "Looking at your images" : rest ? "Nothing to ask at the moment" : "Everything is answered";
  $("done-undo").hidden = looking;
  $("done-text").textContent = looking ? "The best ones to begin with are asked first; this takes a few seconds." : rest
    ? "Others have what is left before them. This page goes on by itself when something is free."
    : "Thank you. Every answer is on the disk; the model learns from the last ones and you may close this page.";
  screens();
}

// ---- keys and buttons

function toGrid(open = !grid.open) {
  $("grid").hidden = !open;
  screens(); // before the grid looks how much room it has
  if (open) grid.show(); else { grid.close(); stage.fill(); }
  $("to-grid").setAttribute("aria-pressed", String(grid.open));
}

const DO = {
  s: (when) => answer("skip", "", when), u: (when) => answer("unsure", "", when), z: undo, Backspace: undo, h: hide,
  g: () => toGrid(), e: () => editor.show(), "?": help, " ": () => look(stage.current),
};

document.addEventListener("keydown", (event) => {
  if (!keys || document.querySelector("dialog[open]")) return;
  const field = event.target.closest?.("input, textarea, select");
  if (field || !$("start").hidden) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.ctrlKey || event.metaKey) {
    if (key !== "z" || event.shiftKey || event.repeat) return;
    event.preventDefault();
    undo();
    return;
  }
  if (event.altKey || event.repeat) return; // a key that is held down answers once
  if (grid.open && ["z", "Backspace"].includes(key)) { event.preventDefault(); undo(); return; }
  if (grid.open && (grid.key(event) || key !== "?")) { if (["Enter", "Escape", "Backspace"].includes(key) && !document.activeElement?.matches("button:focus-visible")) event.preventDefault(); return; }
  const label = keys.named(key);
  if (["Enter", " "].includes(key) && document.activeElement?.matches("button:focus-visible, a:focus-visible")) return;
  if (key === "Enter") {
    accept(event.timeStamp);
  } else if (label && event.key.length === 1) answer("label", label, event.timeStamp);
  else if (DO[key]) DO[key](event.timeStamp);
  else return;
  event.preventDefault();
});

// a click must not take the focus, or the next Enter would press that button again
document.addEventListener("mousedown", (event) => { if (event.target.closest("main button, header button")) event.preventDefault(); });
$("frame").addEventListener("click", () => look(stage.current));
$("undo").addEventListener("click", undo);
$("done-undo").addEventListener("click", undo);
$("skip").addEventListener("click", (event) => answer("skip", "", event.timeStamp));
$("unsure").addEventListener("click", (event) => answer("unsure", "", event.timeStamp));
$("to-grid").addEventListener("click", () => toGrid());
$("to-classes").addEventListener("click", () => editor?.show());
$("to-help").addEventListener("click", help);
$("to-name").addEventListener("click", () => askName().then(showName));
addEventListener("beforeunload", (event) => { if (outbox.entries.length && (outbox.lost || outbox.closed)) event.preventDefault(); });

begin();
