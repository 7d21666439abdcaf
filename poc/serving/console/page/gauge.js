// Where a probability lies between certain extremes, on a scale of odds: what each feature multiplies.

import { logOdds, percent } from "./format.js";

const [LEAST, MOST] = [0.0001, 0.9999];
const TICKS = [0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999];
// Left out where there is little room.
const MINOR = new Set([0.001, 0.1, 0.9, 0.999]);
const at = (id) => document.getElementById(id);

export function showGauge(probability, threshold, typical, stored) {
  const gauge = at("gauge");
  const ticks = gauge.querySelector(".ticks");
  if (ticks.childElementCount === 0) {
    ticks.append(...TICKS.map((value) => {
      const tick = Object.assign(document.createElement("li"), { textContent: `${+(value * 100).toPrecision(4)} %` });
      tick.classList.toggle("minor", MINOR.has(value));
      tick.style.left = place(value);
      return tick;
    }));
  }
  const alarm = probability >= threshold;
  gauge.classList.toggle("alarm", alarm);
  gauge.querySelector(".beyond").style.left = place(threshold);
  mark(gauge, "here", probability);
  mark(gauge, "threshold", threshold);
  mark(gauge, "typical", typical);
  mark(gauge, "stored", stored);
  const legend = [["here", "this transaction", probability], ["threshold", "alarm from", threshold],
    ["typical", "a typical one", typical], ["stored", "by stored values", stored]];
  at("legend").replaceChildren(...legend.filter(([, , value]) => value !== null).map(([name, words, value]) => {
    const item = document.createElement("li");
    const sign = Object.assign(document.createElement("i"), { className: `sign ${name}` });
    sign.setAttribute("aria-hidden", "true");
    item.append(sign, `${words} `, Object.assign(document.createElement("b"), { textContent: percent(value) }));
    item.classList.toggle("alarm", alarm);
    return item;
  }));
}

function mark(gauge, name, value) {
  const element = gauge.querySelector(`.mark.${name}`);
  element.hidden = value === null;
  if (value !== null) element.style.left = place(value);
}

function place(probability) {
  const bounded = Math.min(MOST, Math.max(LEAST, probability));
  return `${(100 * (logOdds(bounded) - logOdds(LEAST))) / (logOdds(MOST) - logOdds(LEAST))}%`;
}
