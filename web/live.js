// SPDX-License-Identifier: MIT
// The last five minutes of the server, from its metrics: asked every two seconds while somebody
// looks, as differences between two looks. A look at the metrics is no entry of the audit, as one at
// anything else is; so what is open all day reads the rest when they tell of something new.
import { useEffect, useRef, useState } from "./lib/hooks.js";
import { getText } from "./session.js";

const EVERY_MS = 2000;
const POINTS_MAX = 150;

// Totals of many wallets may be beyond 2^53; no digit of them is lost.
function valueOf(text) {
  const value = text === "+Inf" ? Infinity : Number(text);
  return /^-?\d+$/.test(text) && !Number.isSafeInteger(value) ? BigInt(text) : value;
}

// Prometheus' text: [{name, labels, value}].
export function parseMetrics(text) {
  const found = [];
  for (const line of text.split("\n")) {
    const parts = /^([a-z0-9_:]+)(?:\{(.*)\})? (\S+)$/i.exec(line);
    if (!parts) continue;
    const labels = {};
    for (const [, name, value] of (parts[2] || "").matchAll(/([a-z_]+)="([^"]*)"/gi))
      labels[name] = value;
    found.push({ name: parts[1], labels, value: valueOf(parts[3]) });
  }
  return found;
}

// The lines that begin with one of these names.
const lines = (text, names) =>
  text.split("\n").filter((line) => names.some((name) => line.startsWith(name))).join("\n");

// Grows when metrics of these names have changed since it grew last, and after so many milliseconds
// in any case. `text` are the metrics, as soon as there are any.
export function useNews(text, names, patience) {
  const seen = useRef({ said: null, at: Date.now() });
  const [news, setNews] = useState(0);
  useEffect(() => {
    if (!text) return;
    const said = lines(text, names);
    const isNew = seen.current.said !== null && said !== seen.current.said;
    const isOld = Date.now() - seen.current.at >= patience;
    seen.current = { said, at: isNew || isOld ? Date.now() : seen.current.at };
    if (isNew || isOld) setNews((was) => was + 1);
  }, [text]);
  return news;
}

// The same for who asks now and then. Null: nothing is new; else what to call when it has been read.
export function newsOf(names, patience) {
  let read = { said: null, at: 0 };
  return async (signal) => {
    const now = { said: lines(await getText("/metrics", signal), names), at: Date.now() };
    return now.said === read.said && now.at - read.at < patience ? null : () => { read = now; };
  };
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

function digest(text) {
  const metrics = parseMetrics(text);
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
    text, value, named,
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
      const now = digest(await getText("/metrics"));
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
