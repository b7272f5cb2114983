// The learning curve as inline SVG, in the look of leaven's reports.
import { percent } from "./dom.js";

const NS = "http://www.w3.org/2000/svg";
const W = 320, H = 176, LEFT = 42, RIGHT = 10, TOP = 8, BOTTOM = 34;

function tag(name, attributes, text) {
  const element = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text != null) element.textContent = text;
  return element;
}

function ticks(low, high, most) {
  const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough * 0.999);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9; k += 1) found.push(k * step);
  return found;
}

// `points`: [{labels, accuracy, low, high}]
export function curve(points) {
  const known = points.filter((p) => Number.isFinite(p.accuracy));
  const svg = tag("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", class: "curve" });
  svg.setAttribute("aria-label", `Accuracy by labels: ${known.map((p) => `${percent(p.accuracy)} with ${p.labels}`).join(", ")}`);
  const least = Math.min(...known.map((p) => p.low ?? p.accuracy));
  const low = Math.max(0, Math.floor(10 * least - 1e-6) / 10), most = Math.max(...known.map((p) => p.labels), 1);
  const x = (v) => LEFT + (v / most) * (W - LEFT - RIGHT);
  const y = (v) => H - BOTTOM - ((v - low) / (1 - low || 1)) * (H - BOTTOM - TOP);
  for (const at of ticks(low, 1, 4)) {
    svg.append(tag("line", { x1: LEFT, x2: W - RIGHT, y1: y(at), y2: y(at), class: "hair" }));
    svg.append(tag("text", { x: LEFT - 6, y: y(at) + 4, "text-anchor": "end" }, percent(at)));
  }
  for (const at of ticks(0, most, 4)) svg.append(tag("text", { x: x(at), y: H - BOTTOM + 15, "text-anchor": "middle" }, Math.round(at)));
  svg.append(tag("text", { x: (LEFT + W - RIGHT) / 2, y: H - 4, "text-anchor": "middle" }, "labels"));
  const band = known.filter((p) => p.low != null && p.high != null);
  const path = (list, of) => list.map((p) => `${x(p.labels).toFixed(1)},${y(of(p)).toFixed(1)}`);
  const outline = [...path(band, (p) => p.high), ...path(band, (p) => p.low).reverse()].join(" ");
  svg.append(tag("polygon", { points: outline, class: "band" }));
  svg.append(tag("polyline", { points: path(known, (p) => p.accuracy).join(" "), class: "line" }));
  for (const p of known) {
    const dot = tag("circle", { cx: x(p.labels), cy: y(p.accuracy), r: 3.2, class: "dot" });
    const between = p.low == null ? "" : ` (${percent(p.low)} to ${percent(p.high)})`;
    dot.append(tag("title", {}, `${p.labels} labels: ${percent(p.accuracy)}${between}`));
    svg.append(dot);
  }
  return svg;
}
