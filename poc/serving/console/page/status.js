// Whether the server is ready and by which model it judges, asked again and again while the page is seen.

import { get, Problem } from "./api.js";

const EVERY_MS = 15000;
const at = (id) => document.getElementById(id);

export function watchStatus(onReady) {
  let ready = false;

  async function look() {
    if (document.hidden) return;
    try {
      const health = await get("health");
      const wrong = health.components.find((component) => !component.ready);
      show(health.status === "ready" ? "ready" : "not-ready",
        health.status === "ready" ? "Ready" : wrong === undefined ? "Shutting down" : `${wrong.detail}. ${wrong.way_out}`);
      if (health.components.every((component) => component.name !== "model" || component.ready)) {
        const model = await get("model");
        at("model").textContent = `${model.name} ${model.version}`;
      }
      if (health.status === "ready" && !ready) onReady();
      ready = health.status === "ready";
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      ready = false;
      show("not-ready", error.title);
    }
  }

  document.addEventListener("visibilitychange", look);
  setInterval(look, EVERY_MS);
  look();
}

function show(state, words) {
  const box = at("health");
  if (box.dataset.state === state && box.textContent === words) return;
  box.dataset.state = state;
  box.textContent = words;
}
