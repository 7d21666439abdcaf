// Where the parts of the page meet.

import { get, Problem, showProblem } from "./api.js";
import { Lookup, readLink } from "./lookup.js";
import { setUpRace } from "./race.js";
import { watchStatus } from "./status.js";
import { percent } from "./format.js";

const at = (id) => document.getElementById(id);

async function start() {
  let about;
  try {
    about = await get("console/about");
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    showProblem(at("lookup-problem"), error);
    return;
  }
  at("about").textContent = `${about.views.join(", ")}, read through ${about.ways[0].title}`;
  const lookup = new Lookup(about);
  setUpRace(about, () => lookup.lookedUp);
  const showLinked = () => {
    const texts = readLink(about.keys, location.hash.slice(1));
    if (texts !== null) lookup.show(texts);
  };
  addEventListener("hashchange", showLinked);
  showLinked();
  // Before the page listens, the browser would send what is typed as a form of its own.
  for (const id of ["look-up", "start"]) at(id).disabled = false;
  watchStatus(() => showExamples(lookup));
}

async function showExamples(lookup) {
  let examples;
  try {
    ({ examples } = await get("console/examples"));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return;
  }
  at("examples").hidden = examples.length === 0;
  at("examples").querySelector("ul").replaceChildren(...examples.map((example) => {
    const item = document.createElement("li");
    const button = Object.assign(document.createElement("button"), { type: "button" });
    button.append(example.keys.join(", "), " ",
      Object.assign(document.createElement("span"), { textContent: percent(example.fraud_probability) }));
    button.addEventListener("click", () => lookup.show(example.keys));
    item.append(button);
    return item;
  }));
}

start();
