// Asks the server. What it refuses, and that it does not answer, comes back as a Problem with a way out.

export class Problem extends Error {
  constructor({ title, detail, way_out, status, errors = [] }) {
    super(detail);
    Object.assign(this, { title, detail, wayOut: way_out, status, errors });
  }
}

const SILENT = {
  title: "The server does not answer",
  detail: "It may have been stopped, or the network is gone.",
  way_out: "Start it again, for example: python poc/serve_model_feast.py",
  status: 0,
};

export const get = (path) => ask(path, {});

// `body` is JSON as text.
export const post = (path, body, signal) =>
  ask(path, { method: "POST", headers: { "content-type": "application/json" }, body, signal });

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(SILENT);
  }
  const said = await answer.json().catch(() => null);
  // /health answers 503 with a body of its own, which is no problem but the news.
  if (answer.ok || (said !== null && said.components !== undefined)) return said;
  throw new Problem(said?.detail === undefined ? { ...SILENT, status: answer.status } : said);
}

export function showProblem(box, problem) {
  const part = (tag, text) => Object.assign(document.createElement(tag), { textContent: text });
  box.replaceChildren(
    part("strong", problem.title),
    part("span", problem.errors?.length ? problem.errors.map((item) => `${item.field}: ${item.message}`).join("; ")
      : problem.detail),
  );
  if (problem.wayOut) box.append(part("span", problem.wayOut));
  box.hidden = false;
  box.scrollIntoView({ block: "nearest" });
}
