// The keys that a transaction is looked up by: a field each, and how the API takes what is typed there.

const at = (id) => document.getElementById(id);

// Labels the first field, which the page has, and adds one for each other key. Gives all of them, in order.
export function makeKeyFields(keys) {
  const first = at("lookup");
  document.querySelector("label[for=lookup]").textContent = words(keys[0].name);
  const others = keys.slice(1).map((key, number) => {
    const field = first.cloneNode();
    field.id = `lookup-${number + 1}`;
    field.name = key.name;
    field.placeholder = words(key.name);
    field.setAttribute("aria-label", words(key.name));
    return field;
  });
  if (others.length > 0) first.placeholder = words(keys[0].name);
  first.after(...others);
  return [first, ...others];
}

// Written here: a whole number of 64 bits is no number to JavaScript.
export function requestBody(keys, texts, overrides = {}) {
  const parts = members(keys, texts);
  if (Object.keys(overrides).length > 0) parts.push(`"overrides": ${JSON.stringify(overrides)}`);
  return `{${parts.join(", ")}}`;
}

export function rowList(keys, all) {
  const rows = all.map((texts) => (keys.length === 1 ? literal(keys[0], texts[0]) : requestBody(keys, texts)));
  return `[${rows.join(", ")}]`;
}

export const words = (name) => {
  const spaced = name.replaceAll("_", " ");
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
};

const members = (keys, texts) =>
  keys.map((key, place) => `${JSON.stringify(key.name)}: ${literal(key, texts[place])}`);

function literal({ kind }, text) {
  if (kind === "whole" && /^-?(0|[1-9]\d*)$/.test(text)) return text;
  if (kind === "number" && text !== "" && Number.isFinite(Number(text))) return JSON.stringify(Number(text));
  if (kind === "yes_no" && (text === "true" || text === "false")) return text;
  return JSON.stringify(text);
}
