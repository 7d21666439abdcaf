// The table of features: each with its value, or a field to try another one, and what it did to the odds.

import { factor, shown } from "./format.js";

const LEAST_SCALE = Math.log(2);

// Features as rows, the ones that moved the score most first; that order stays while values are tried.
export function orderedByEffect(features, contributions) {
  const effect = (feature) => Math.abs(contributions?.log_odds[feature.name] ?? 0);
  return [...features].sort((one, other) => effect(other) - effect(one));
}

export function makeRows(features, stored, onChange) {
  return features.map((feature) => {
    const row = node("tr", { role: "row" });
    const name = node("th", { scope: "row", role: "rowheader" });
    const title = node("span", { class: "feature", id: `name-${feature.name}` }, feature.name);
    name.append(title, node("span", { class: "description", id: `about-${feature.name}` }, feature.description));
    const value = node("td", { role: "cell", class: "value" });
    const text = node("span", { class: "stored" });
    const field = editor(feature, stored[feature.name], onChange);
    const beside = node("span", { class: "typical" });
    value.append(text, ...(field === null ? [] : [field]), beside);
    const effect = node("td", { role: "cell", class: "effect", "aria-hidden": "true" });
    const bar = node("span", { class: "bar" });
    effect.append(node("span", { class: "bars" }));
    effect.firstChild.append(bar);
    const odds = node("td", { role: "cell", class: "factor" });
    row.append(name, value, effect, odds);
    return { feature, row, text, field, beside, bar, odds };
  });
}

export function showRows(rows, prediction, contributions, stored, changing) {
  const all = Object.values(contributions?.log_odds ?? {}).map(Math.abs);
  const scale = Math.max(LEAST_SCALE, ...all);
  for (const { feature, row, text, field, beside, bar, odds } of rows) {
    const value = prediction.features[feature.name];
    const changed = prediction.overridden.includes(feature.name);
    const editing = changing && field !== null;
    text.textContent = shown(value);
    text.classList.toggle("absent", value === null || value === undefined);
    text.hidden = editing;
    if (field !== null) field.hidden = !editing;
    row.classList.toggle("changed", changed);
    const typical = contributions?.typical[feature.name];
    beside.textContent = changed ? `stored ${shown(stored[feature.name])}`
      : typical === undefined ? "" : `typical ${shown(typical)}`;
    const effect = contributions?.log_odds[feature.name];
    const share = effect === undefined ? 0 : effect / scale;
    bar.className = share > 0 ? "bar raises" : "bar lowers";
    bar.style.width = `${Math.abs(share) * 50}%`;
    bar.style.left = share > 0 ? "50%" : `${50 + share * 50}%`;
    odds.textContent = effect === undefined ? (contributions === null ? "" : "not an input") : factor(effect);
    odds.classList.toggle("none", effect === undefined || odds.textContent === "no effect");
  }
}

// The values that differ from the stored ones, as the API takes them.
export function readOverrides(rows, stored) {
  const given = {};
  for (const { feature, field } of rows) {
    if (field === null || field.value === "") continue;
    const text = field.value;
    const value = feature.kind === "yes_no" ? text === "true"
      : ["number", "whole", "flag"].includes(feature.kind) ? Number(text) : text;
    if (value !== stored[feature.name]) given[feature.name] = value;
  }
  return given;
}

// Mark the fields that the API refuses; null marks none.
export function markWrong(rows, problem) {
  const wrong = new Set((problem?.errors ?? []).map((item) => item.field));
  for (const { feature, field } of rows) {
    field?.setAttribute("aria-invalid", String([...wrong].some((name) => `${name}.`.startsWith(`overrides.${feature.name}.`))));
  }
}

export function fill(rows, stored) {
  for (const { feature, field } of rows) {
    if (field !== null) field.value = stored[feature.name] ?? "";
  }
}

function editor(feature, stored, onChange) {
  const choices = { flag: ["0", "1"], yes_no: ["false", "true"], choice: feature.values }[feature.kind];
  let field;
  if (choices !== undefined) {
    field = node("select");
    const nothing = stored === null || stored === undefined;
    const known = nothing ? ["", ...choices] : choices;
    const all = nothing || known.includes(String(stored)) ? known : [String(stored), ...known];
    field.append(...all.map((value) => node("option", { value }, value)));
  } else if (["number", "whole"].includes(feature.kind)) {
    field = node("input", { type: "number", step: feature.kind === "whole" ? "1" : "any", inputmode: "decimal" });
    if (feature.minimum !== null) field.min = feature.minimum;
    if (feature.maximum !== null) field.max = feature.maximum;
  } else if (feature.kind === "text") {
    field = node("input", { type: "text", maxlength: "1000" });
  } else {
    return null;
  }
  field.id = `value-${feature.name}`;
  field.setAttribute("aria-labelledby", `name-${feature.name}`);
  field.setAttribute("aria-describedby", `about-${feature.name}`);
  field.hidden = true;
  field.addEventListener("input", onChange);
  return field;
}

function node(tag, attributes = {}, text = "") {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.textContent = text;
  return element;
}
