// Two distributions over one axis, one above it and one below, so that both shapes can be seen.

import { ms } from "./format.js";
import { percentile } from "./statistics.js";

const SVG = "http://www.w3.org/2000/svg";
const BINS = 44;
const SIDE = 104;
const AXIS = 26;
const LABELS = 46;
const PERCENTILES = [50, 95, 99];

export function drawHistograms(svg, ways, from, to) {
  const width = Math.max(260, svg.clientWidth);
  const height = 2 * (SIDE + LABELS) + AXIS;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.style.height = `${height}px`;
  const place = (value) => (Math.log(value / from) / Math.log(to / from)) * width;
  const counts = ways.map((way) => binned(way.ordered, from, to));
  const shares = counts.map((bins, at) => bins.map((count) => count / Math.max(1, ways[at].ordered.length)));
  const most = Math.max(...shares.flat(), 0.01);
  const kept = svg.querySelector("title");
  svg.replaceChildren(kept, axis(from, to, place, width));
  ways.forEach((way, at) => {
    const up = at === 0;
    const base = up ? LABELS + SIDE : LABELS + SIDE + AXIS;
    const side = make("g", { class: `side way-${at}` });
    shares[at].forEach((share, bin) => {
      if (share === 0) return;
      const tall = Math.max(1.5, (share / most) * SIDE);
      const step = width / BINS;
      side.append(make("rect", {
        x: bin * step + 0.5, y: up ? base - tall : base, width: Math.max(1, step - 1), height: tall, rx: 1,
      }));
    });
    if (way.ordered.length > 0) side.append(...marks(way.ordered, place, base, up, width));
    svg.append(side);
  });
}

function marks(ordered, place, base, up, width) {
  return PERCENTILES.flatMap((percent, level) => {
    const value = percentile(ordered, percent);
    const x = Math.min(width - 1, Math.max(1, place(value)));
    const reach = SIDE + LABELS - 6 - level * 14;
    const end = up ? base - reach : base + reach;
    const late = x > width - 84;
    const text = make("text", {
      x: x + (late ? -5 : 5), y: up ? end + 10 : end - 1, "text-anchor": late ? "end" : "start",
    });
    text.textContent = `P${percent} ${ms(value)}`;
    return [make("line", { x1: x, x2: x, y1: base, y2: end, class: `limit p${percent}` }), text];
  });
}

function axis(from, to, place, width) {
  const group = make("g", { class: "axis" });
  const middle = LABELS + SIDE;
  for (const y of [middle, middle + AXIS]) group.append(make("line", { x1: 0, x2: width, y1: y, y2: y }));
  let free = -Infinity;
  for (let power = -2; power < 5; power += 1) {
    for (const step of [1, 2, 5]) {
      const value = step * 10 ** power;
      const x = place(value);
      if (x < 14 || x > width - 14 || x < free) continue;
      const text = make("text", { x, y: middle + 17, "text-anchor": "middle" });
      text.textContent = `${+value.toPrecision(1)} ms`;
      group.append(text);
      free = x + 52;
    }
  }
  return group;
}

function binned(ordered, from, to) {
  const bins = new Array(BINS).fill(0);
  for (const value of ordered) {
    const share = Math.log(value / from) / Math.log(to / from);
    bins[Math.min(BINS - 1, Math.max(0, Math.floor(share * BINS)))] += 1;
  }
  return bins;
}

function make(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}
