// Numbers and times as a person reads them; a number and its unit stay on one line.

const SPACE = "\u00a0";
const MOMENT = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", dateStyle: "medium", timeStyle: "short" });

export const logOdds = (probability) => Math.log(probability) - Math.log1p(-probability);

export function percent(probability) {
  const value = probability * 100;
  if (value >= 10 && value <= 99.9) return `${value.toFixed(1)}${SPACE}%`;
  if (value > 99.9) return value >= 99.995 ? `>${SPACE}99.99${SPACE}%` : `${value.toFixed(2)}${SPACE}%`;
  if (value < 0.001) return `<${SPACE}0.001${SPACE}%`;
  return `${trimmed(value, 2)}${SPACE}%`;
}

// What a contribution, in log-odds, does to the odds.
export function factor(contribution) {
  const times = Math.exp(Math.abs(contribution));
  if (times < 1.005) return "no effect";
  const amount = times >= 9.95 ? Math.round(times).toLocaleString("en") : trimmed(times, times < 1.1 ? 3 : 2);
  return `${contribution > 0 ? "×" : "÷"}${SPACE}${amount}`;
}

export function ms(value) {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

export function duration(seconds) {
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["min", 60]]) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
  }
  return `${Math.max(0, Math.floor(seconds))} s`;
}

export const moment = (iso) => `${MOMENT.format(new Date(iso))} UTC`;

export const shown = (value) =>
  value === undefined ? "never stored" : value === null ? "not known" : typeof value === "number" ? String(+value.toFixed(4)) : String(value);

const trimmed = (value, digits) => (value >= 1 ? value.toPrecision(digits) : String(+value.toPrecision(digits)));
