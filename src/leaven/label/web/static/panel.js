// How it goes: how good the model is by what was checked, its curve, the training, what was answered.
import { curve } from "./chart.js";
import { $, count, fill, make, percent, plural } from "./dom.js";

const FEW = 30; // checked items

let last = "";

export function showPanel(status) {
  const { audit = {}, training = {}, curve: points = [], sentence = "" } = status;
  const seen = JSON.stringify([audit, training, points, sentence, status.labelled, status.skipped, status.unsure, status.items, status.ranking, status.notes, status.counts, status.divided]);
  if (seen === last) return;
  last = seen;
  const known = audit.n > 0 && audit.accuracy != null;
  // of few checked items one number would promise too much
  const figure = !known ? "–" : audit.n < FEW ? `${Math.round(100 * audit.low)} – ${percent(audit.high)}` : percent(audit.accuracy);
  const basis = known && audit.n < FEW ? `by ${plural(audit.n, "checked item")}, ${audit.right} of them right` : known
    ? `between ${percent(audit.low)} and ${percent(audit.high)}, by ${plural(audit.n, "checked item")}` : "";
  fill(
    $("panel"),
    make("h2", {}, "How good is the model?"),
    make("p", { class: known ? "big" : "big none" }, figure),
    make("p", { class: "range" }, basis),
    make("p", { class: "sentence" }, sentence || "Not known yet: now and then an item is drawn at random to check the model."),
    points.filter((p) => p.accuracy != null).length > 1 ? curve(points) : null,
    work(training, status.ranking ?? {}),
    ...(status.notes ?? []).map((note) => make("p", { class: "work" }, note)),
    make("dl", { class: "tally" },
      ...row("Labelled", status.labelled), ...row("Skipped", status.skipped), ...row("Unsure", status.unsure), ...row("Images", status.items)),
    perClass(status),
  );
  $("chip").hidden = !known;
  $("chip").textContent = known ? figure : "";
  $("chip").setAttribute("aria-label", known ? `Accuracy ${figure}; more` : "");
  $("count").replaceChildren(make("b", {}, count(status.labelled)), ` of ${count(status.items)} labelled`);
}

// How many items were given each class, with a bar beside it: what is rare is seen at once.
function perClass({ counts = {}, divided = 0 }) {
  const all = Object.entries(counts), most = Math.max(1, ...all.map(([, n]) => n));
  if (!all.length) return null;
  const line = (name, n, title = name) => {
    const bar = make("progress", { max: most, value: n, "aria-hidden": "true" });
    return [make("dt", { title }, name), make("dd", {}, bar, make("b", {}, count(n)))];
  };
  return make("dl", { class: "classes", "aria-label": "Labelled, by class" }, ...all.flatMap(([name, n]) => line(name, n)),
    ...(divided ? line("divided", divided, "people do not agree on these") : []));
}

const row = (name, n) => [make("dt", {}, name), make("dd", {}, count(n))];

function work(training, ranking) {
  const learns = training.state === "training", ranks = ranking.state && !["done", "failed"].includes(ranking.state);
  if (training.error && !learns) return make("p", { class: "work wrong" }, training.error);
  if (!learns && !ranks) return null;
  const doing = learns ? `Learning, round ${training.round}` : "Looking for what to ask first";
  const [step, steps] = learns ? [training.step, training.steps] : [ranking.done, ranking.of];
  const bar = make("progress", { max: steps || 1, "aria-label": doing });
  if (steps) bar.value = step ?? 0; // without a value it moves to and fro
  return make("div", { class: "work" }, make("span", {}, `${doing}…`), bar);
}
