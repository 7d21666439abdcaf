// Runs a race in parts, so that it can be watched and stopped, and says what came of it.

import { post, Problem, showProblem } from "./api.js";
import { drawHistograms } from "./histogram.js";
import { rowList } from "./keys.js";
import { percentile, ratio, sorted } from "./statistics.js";
import { ms } from "./format.js";

const PART = 50;
const PATIENCE_MS = 5000;
const at = (id) => document.getElementById(id);

export function setUpRace(about, lookedUp) {
  const [own, rival] = about.ways;
  at("race-about").textContent = `${own.title}, this server's way, against ${low(rival.title)}.`;
  const method =
    "Measured in this server's process: one transaction a read, the ways in turns on the same random ids, one read"
    + " at a time. The server opens the other way for the first race; each part begins with reads that are not"
    + " counted. Both are awaited in the event loop, as predictions are. No HTTP, no model.";
  at("race-method").textContent = method;
  let running = false;
  let stopping = false;
  let last = null;

  at("race-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    // The part that is under way is waited for: the server would go on with it all the same.
    stopping = running;
    if (running) return;
    running = true;
    at("start").textContent = "Stop";
    at("race-problem").hidden = true;
    at("outcome").textContent = "";
    at("track").hidden = false;
    at("progress").hidden = false;
    last = about.ways.map((way) => ({ ...way, latencies: [] }));
    const wanted = Number(at("reads").value);
    let differing = 0;
    try {
      show(last, wanted);
      while (last[0].latencies.length < wanted && !stopping) {
        const reads = Math.min(PART, about.most_reads, wanted - last[0].latencies.length);
        const rows = rowList(about.keys, lookedUp());
        const part = await patiently(`{"reads": ${reads}, ${JSON.stringify(about.rows)}: ${rows}}`);
        for (const way of last) way.latencies.push(...part.latencies_ms[way.name]);
        differing += part.differing;
        show(last, wanted);
      }
      at("outcome").textContent = `${stopping ? "Stopped. " : ""}${outcome(last, differing)}`;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      showProblem(at("race-problem"), error);
      at("track").hidden = last[0].latencies.length === 0;
    } finally {
      running = false;
      at("start").textContent = "Start";
      at("progress").hidden = true;
    }
  });

  new ResizeObserver(() => last !== null && draw(last)).observe(at("chart"));
}

// Another race, or a server that is still opening, is waited for; not for long.
async function patiently(body) {
  const until = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await post("console/race", body);
    } catch (error) {
      if (error.status !== 409 || Date.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, 150 + 200 * Math.random()));
    }
  }
}

function show(ways, wanted) {
  at("progress").value = ways[0].latencies.length / wanted;
  draw(ways);
  at("numbers").replaceChildren(...ways.map((way, number) => {
    const row = document.createElement("tr");
    const name = Object.assign(document.createElement("th"), { scope: "row", textContent: way.title });
    name.className = `way-${number}`;
    const ordered = sorted(way.latencies);
    const cells = [way.latencies.length.toLocaleString("en"),
      ...[50, 95, 99].map((percent) => (ordered.length ? ms(percentile(ordered, percent)) : "–"))];
    row.append(name, ...cells.map((textContent) => Object.assign(document.createElement("td"), { textContent })));
    return row;
  }));
}

function draw(ways) {
  const sides = ways.map((way) => ({ ordered: sorted(way.latencies) }));
  const all = sides.filter((side) => side.ordered.length > 0);
  const least = Math.min(0.5, ...all.map((side) => side.ordered[0]));
  const most = Math.max(2, ...all.map((side) => side.ordered.at(-1)));
  drawHistograms(at("chart"), sides, least / 1.1, most * 1.1);
}

function outcome(ways, differing) {
  const [own, rival] = ways;
  const count = own.latencies.length;
  const { middle, low: least, high } = ratio(own.latencies, rival.latencies);
  const same = differing === 0
    ? "Both gave the same values each time."
    : `They gave other values in ${differing.toLocaleString("en")} of them: python scripts/feast_materialize.py --full`;
  const tail = (way) => percentile(sorted(way.latencies), 99);
  const verb = own.title.endsWith("s") ? "take" : "takes";
  return `${own.title} ${verb} ${middle.toFixed(2)} times as long as ${low(rival.title)} at the median`
    + ` (95 % interval ${least.toFixed(2)} to ${high.toFixed(2)}), ${(tail(own) / tail(rival)).toFixed(2)} times at P99,`
    + ` over ${count.toLocaleString("en")} reads each. ${same}`;
}

const low = (title) => (title === "Feast" ? title : title.charAt(0).toLowerCase() + title.slice(1));
