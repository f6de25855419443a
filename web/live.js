// SPDX-License-Identifier: MIT
// The last five minutes of the server, from its metrics: asked every two seconds while somebody
// looks, as differences between two looks.
import { getText } from "./session.js";

const EVERY_MS = 2000;
const POINTS_MAX = 150;

// Prometheus' text: [{name, labels, value}].
export function parseMetrics(text) {
  const found = [];
  for (const line of text.split("\n")) {
    const parts = /^([a-z0-9_:]+)(?:\{(.*)\})? (\S+)$/i.exec(line);
    if (!parts) continue;
    const labels = {};
    for (const [, name, value] of (parts[2] || "").matchAll(/([a-z_]+)="([^"]*)"/gi))
      labels[name] = value;
    found.push({ name: parts[1], labels, value: parts[3] === "+Inf" ? Infinity : Number(parts[3]) });
  }
  return found;
}

const bound = (text) => (text === "+Inf" ? Infinity : Number(text));

// Cumulative buckets to the upper bound under which a share of the new answers lies, in ms.
function quantile(before, now, share) {
  const counts = now.map((bucket, i) => bucket.value - (before[i] ? before[i].value : 0));
  const total = counts.at(-1) || 0;
  if (total <= 0) return null;
  const place = counts.findIndex((count) => count >= total * share);
  const upper = bound(now[place].labels.le);
  return (Number.isFinite(upper) ? upper : bound(now[place - 1].labels.le)) * 1000;
}

function digest(metrics) {
  const named = (name) => metrics.filter((one) => one.name === name);
  const value = (name) => named(name)[0]?.value;
  const requests = named("florin_requests_total");
  const add = (list) => list.reduce((total, one) => total + one.value, 0);
  return {
    at: Date.now() / 1000,
    // Not requests: one may be a batch of thousands, and what was queued comes without any.
    payments: value("florin_transactions") ?? 0,
    commands: value("florin_engine_commands_total") ?? 0,
    requests: add(requests),
    missed: value("florin_request_deadlines_missed_total") ?? 0,
    buckets: named("florin_request_duration_seconds_bucket"),
    value, named,
  };
}

// Calls `tell({points, now})` after every look; `points` are columns for a chart. Returns how to
// stop. A look that fails is a gap: `tell` gets its problem.
export function watch(tell) {
  let last = null;
  let timer = null;
  let stopped = false;
  const points = { at: [], payments: [], requests: [], missed: [], p50: [], p99: [] };
  const push = (row) => {
    for (const name of Object.keys(points)) {
      points[name].push(row[name] ?? null);
      if (points[name].length > POINTS_MAX) points[name].shift();
    }
  };
  async function look() {
    try {
      const now = digest(parseMetrics(await getText("/metrics")));
      if (last && now.requests >= last.requests && now.payments >= last.payments) {
        const seconds = now.at - last.at;
        push({
          at: now.at,
          payments: (now.payments - last.payments) / seconds,
          requests: (now.requests - last.requests) / seconds,
          missed: now.missed - last.missed,
          p50: quantile(last.buckets, now.buckets, 0.5),
          p99: quantile(last.buckets, now.buckets, 0.99),
        });
      }
      last = now;
      if (!stopped) tell({ points, now, problem: null });
    } catch (problem) {
      push({ at: Date.now() / 1000 });
      if (!stopped) tell({ points, now: null, problem });
    }
    if (!stopped) timer = setTimeout(look, EVERY_MS);
  }
  look();
  return () => { stopped = true; clearTimeout(timer); };
}
