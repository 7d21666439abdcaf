// What latencies come to. As poc.measurement.core: nearest rank, and a block bootstrap in pairs.

const RESAMPLES = 400;

export const sorted = (values) => Float64Array.from(values).sort();

export const percentile = (ordered, percent) =>
  ordered[Math.max(0, Math.ceil((percent / 100) * ordered.length) - 1)];

export const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

// How many times as long one way takes as the other at the median, with its 95 % interval. Both were
// measured in the same turns, so whole turns are drawn, in runs: neighbours resemble each other.
export function ratio(latencies, baseline) {
  const turns = latencies.length;
  const run = Math.max(1, Math.floor(Math.sqrt(turns)));
  const drawn = new Float64Array(RESAMPLES);
  const [mine, others] = [new Float64Array(turns), new Float64Array(turns)];
  for (let number = 0; number < RESAMPLES; number += 1) {
    for (let place = 0; place < turns; place += run) {
      const start = Math.floor(Math.random() * turns);
      for (let step = 0; step < run && place + step < turns; step += 1) {
        mine[place + step] = latencies[(start + step) % turns];
        others[place + step] = baseline[(start + step) % turns];
      }
    }
    drawn[number] = percentile(mine.sort(), 50) / percentile(others.sort(), 50);
  }
  drawn.sort();
  return {
    middle: percentile(sorted(latencies), 50) / percentile(sorted(baseline), 50),
    low: percentile(drawn, 2.5),
    high: percentile(drawn, 97.5),
  };
}
