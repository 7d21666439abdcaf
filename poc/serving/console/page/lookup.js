// Looks a transaction up, shows what the server says of it, and asks again with other values.

import { post, Problem, showProblem } from "./api.js";
import { fill, makeRows, markWrong, orderedByEffect, readOverrides, showRows } from "./features.js";
import { showGauge } from "./gauge.js";
import { makeKeyFields, requestBody, words } from "./keys.js";
import { duration, factor, moment, ms, percent } from "./format.js";

const TYPING_MS = 200;
const AGE_MS = 10000;
const at = (id) => document.getElementById(id);

export class Lookup {
  constructor(about) {
    this.about = about;
    this.fields = makeKeyFields(about.keys);
    this.lookedUp = [];
    this.shown = null;
    this.asking = null;
    this.looking = null;
    this.timer = 0;
    at("lookup-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.show(this.fields.map((field) => field.value.trim()));
    });
    at("what-if").addEventListener("submit", (event) => event.preventDefault());
    at("change").addEventListener("click", () => this.change(!this.shown.changing));
    at("reset").addEventListener("click", () => {
      fill(this.shown.rows, this.shown.stored);
      this.retry();
    });
    setInterval(() => this.shown && this.showAge(), AGE_MS);
  }

  // `texts` are the keys as they are typed, in their order.
  async show(texts) {
    const { keys } = this.about;
    this.fields.forEach((field, place) => { field.value = texts[place] ?? ""; });
    const empty = this.fields.findIndex((field) => field.value === "");
    if (empty >= 0) {
      const detail = keys.length === 1 ? "Type the id of a transaction." : `Type the ${words(keys[empty].name).toLowerCase()} too.`;
      showProblem(at("lookup-problem"), { title: "No id", detail });
      this.fields[empty].focus();
      return;
    }
    // Whoever reads on must not take another transaction's score for this one's.
    const hide = () => { this.shown = null; at("judged").hidden = true; at("nothing-yet").hidden = false; };
    clearTimeout(this.timer);
    history.replaceState(null, "", `#${linked(keys, texts)}`);
    const looking = {};
    this.looking = looking;
    let found;
    try {
      found = await this.ask(requestBody(keys, texts), at("lookup-problem"), hide);
    } finally {
      if (this.looking === looking) this.looking = null;
    }
    if (found === null) return;
    const id = texts.join(", ");
    this.lookedUp = [texts, ...this.lookedUp.filter((other) => other.join(", ") !== id)].slice(0, 50);
    const stored = found.prediction.features;
    const rows = makeRows(orderedByEffect(this.about.features, found.contributions), stored, () => this.typed());
    this.shown = { id, texts, found, first: found, stored, rows, changing: false };
    fill(rows, stored);
    at("features").replaceChildren(...rows.map((row) => row.row));
    at("what-if-problem").hidden = true;
    this.draw();
    at("spoken").textContent = spoken(id, found.prediction);
  }

  change(changing) {
    this.shown.changing = changing;
    if (changing) {
      this.draw();
      this.shown.rows.find((row) => row.field !== null)?.field.focus();
    } else {
      fill(this.shown.rows, this.shown.stored);
      this.retry();
    }
  }

  typed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.retry(), TYPING_MS);
  }

  async retry() {
    clearTimeout(this.timer);
    // A look-up under way takes these values off the page: it is not to be given up for them.
    if (this.shown === null || this.looking !== null) return;
    const overrides = readOverrides(this.shown.rows, this.shown.stored);
    const mark = (problem) => markWrong(this.shown.rows, problem);
    const body = requestBody(this.about.keys, this.shown.texts, overrides);
    const found = await this.ask(body, at("what-if-problem"), mark);
    if (found === null) return;
    markWrong(this.shown.rows, null);
    this.shown.found = found;
    this.draw();
    at("spoken").textContent = spoken(this.shown.id, found.prediction);
  }

  // Gives null where there is nothing to show: what stands in the way is shown instead, or a newer question is.
  async ask(body, box, refused = () => {}) {
    this.asking?.abort();
    const asking = new AbortController();
    this.asking = asking;
    try {
      const found = await post("console/explain", body, asking.signal);
      box.hidden = true;
      return found;
    } catch (error) {
      if (error.name === "AbortError") return null;
      if (!(error instanceof Problem)) throw error;
      refused(error);
      showProblem(box, error);
      return null;
    }
  }

  draw() {
    const { id, texts, found, first, stored, rows, changing } = this.shown;
    const { prediction, contributions, unexplained } = found;
    const changed = prediction.overridden.length > 0;
    at("nothing-yet").hidden = true;
    at("judged").hidden = false;
    at("judged-id").textContent = id;
    at("probability").value = prediction.fraud_probability;
    at("probability").textContent = percent(prediction.fraud_probability);
    at("decision").textContent = prediction.is_fraud ? "Alarm" : "No alarm";
    at("decision").classList.toggle("alarm", prediction.is_fraud);
    showGauge(prediction.fraud_probability, prediction.threshold, contributions?.typical_probability ?? null,
      changed ? first.prediction.fraud_probability : null);
    at("event-time").textContent = moment(prediction.event_timestamp);
    this.showAge();
    const { features: reading, model: scoring } = prediction.latency_ms;
    at("took").textContent = `${ms(reading)} ms, ${ms(scoring)} ms`;
    showRows(rows, prediction, contributions, stored, changing);
    at("judged").classList.toggle("unexplained", contributions === null);
    at("sum").textContent = unexplained === null ? sum(prediction, contributions)
      : `No contributions: ${unexplained.detail}. ${unexplained.way_out}`;
    at("change").setAttribute("aria-pressed", String(changing));
    at("reset").hidden = !changed;
    const { overridden, features } = prediction;
    const overrides = Object.fromEntries(overridden.map((name) => [name, features[name]]));
    at("curl").textContent = curl(requestBody(this.about.keys, texts, overrides));
  }

  showAge() {
    const { prediction } = this.shown.found;
    const seconds = (Date.now() - Date.parse(prediction.event_timestamp)) / 1000;
    const ttl = this.about.ttl_seconds;
    const limit = ttl === null ? "" : prediction.stale ? `, allowed are ${duration(ttl)}` : ` of ${duration(ttl)} allowed`;
    at("age").textContent = `${prediction.stale ? "Stale: " : ""}${duration(seconds)}${limit}`;
    at("spent").style.width = ttl === null ? "0" : `${Math.min(100, Math.max(0, (100 * seconds) / ttl))}%`;
    at("spent").parentElement.hidden = ttl === null;
    at("age").classList.toggle("stale", prediction.stale);
  }
}

function sum(prediction, contributions) {
  const all = Object.values(contributions.log_odds).reduce((total, effect) => total + effect, 0);
  return `A typical transaction has ${percent(contributions.typical_probability)}. All factors on its odds multiply to`
    + ` ${factor(all).replace("no effect", "× 1")}, which makes ${percent(prediction.fraud_probability)}. Each factor is`
    + " a feature's exact Shapley value against the typical transaction.";
}

export function linked(keys, texts) {
  return new URLSearchParams(keys.length === 1 ? { id: texts[0] } : keys.map((key, place) => [key.name, texts[place]]));
}

// The keys that a link names; null where it names none.
export function readLink(keys, link) {
  const named = new URLSearchParams(link);
  const texts = keys.length === 1 ? [named.get("id")] : keys.map((key) => named.get(key.name));
  return texts.includes(null) ? null : texts;
}

function spoken(id, prediction) {
  return `Transaction ${id}: fraud probability ${percent(prediction.fraud_probability)},`
    + ` ${prediction.is_fraud ? "alarm" : "no alarm"}${prediction.stale ? ", by stale features" : ""}.`;
}

function curl(body) {
  const quoted = body.replaceAll("'", "'\\''");
  const url = new URL("predict", document.baseURI);
  return `curl -X POST ${url.origin}${url.pathname} -H 'Content-Type: application/json' -d '${quoted}'`;
}
