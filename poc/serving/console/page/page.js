// Where the parts of the page meet.

import { get, Problem, showProblem } from "./api.js";
import { Lookup } from "./lookup.js";
import { setUpRace } from "./race.js";
import { watchStatus } from "./status.js";
import { percent } from "./words.js";

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
  at("about").textContent = `${about.view}, read through ${about.ways[0].title}`;
  const lookup = new Lookup(about);
  setUpRace(about, () => lookup.ids);
  const showLinked = () => {
    const id = new URLSearchParams(location.hash.slice(1)).get("id");
    if (id !== null) lookup.show(id);
  };
  addEventListener("hashchange", showLinked);
  showLinked();
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
    button.append(example.transaction_id, " ",
      Object.assign(document.createElement("span"), { textContent: percent(example.fraud_probability) }));
    button.addEventListener("click", () => lookup.show(example.transaction_id));
    item.append(button);
    return item;
  }));
}

start();
