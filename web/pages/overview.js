// SPDX-License-Identifier: MIT
// How the house is doing: money in the system, what moves right now, whether the books are right,
// and the health of what the server stands on.
import { useEffect, useState } from "../lib/hooks.js";
import { Chart } from "../chart.js";
import { useNews, watch } from "../live.js";
import { formatAmount } from "../money.js";
import { ago, Badge, Card, html, Sentence, Trouble, useLoad } from "../parts.js";
import { get, may } from "../session.js";
import { AnomaliesWaiting } from "./anomalies.js";

const PATIENCE_MS = 300000;
const NEWS = ["florin_integrity_consistent ", "florin_integrity_alarms_total ", "florin_payments_stopped ",
  "florin_money_exponent{"]; // a line for each currency
const LATE_S = 60;

const shortNumber = (value) => value >= 1e6 ? `${(value / 1e6).toFixed(1)} M`
  : value >= 1e4 ? `${(value / 1e3).toFixed(1)} k`
    : String(value >= 100 ? Math.round(value) : Number(value.toFixed(value >= 1 ? 1 : 2)));
const milliseconds = (value) => value >= 1000 ? `${(value / 1000).toFixed(1)} s` : `${shortNumber(value)} ms`;
const bytes = (value) => value >= 1 << 30 ? `${(value / (1 << 30)).toFixed(1)} GiB`
  : value >= 1 << 20 ? `${(value / (1 << 20)).toFixed(1)} MiB` : `${Math.round(value / 1024)} KiB`;

// A line needs two points.
const hasLine = (points) => points?.at.filter((_, i) => points.payments[i] !== null).length > 1;
const NoLine = () => html`<p class="chart waiting">Watching the first seconds…</p>`;

const latest = (column) => column?.findLast((value) => value !== null) ?? null;

// As it is now, where the metrics tell.
function moneyNow(one, now) {
  const told = (name) => now?.named(`florin_money_${name}`).find(({ labels }) => labels.currency === one.currency)?.value;
  return { wallet_balances: told("balances") ?? one.wallet_balances, deposits: told("deposits") ?? one.deposits,
    withdrawals: told("withdrawals") ?? one.withdrawals, difference: told("difference") ?? one.difference };
}

function Totals({ books, now }) {
  return html`<${Card} title="Money in the system" wide>
    ${books.currencies.length === 0 && html`<p class="waiting">No wallet holds money yet.</p>`}
    <div class="tiles">${books.currencies.map((one) => ({ ...one, ...moneyNow(one, now) })).map((one) => html`<div class="tile" key=${one.currency}>
      <span class="label">${one.currency} in ${one.wallets} wallet${one.wallets === 1 ? "" : "s"}</span>
      <strong>${formatAmount(one.wallet_balances, one.currency)}</strong>
      <span class="sub">${formatAmount(one.deposits, one.currency)} in · ${formatAmount(one.withdrawals, one.currency)} out</span>
      ${one.difference != 0 && html`<${Badge} word=${`off by ${formatAmount(one.difference, one.currency)}`} mood="bad" />`}
    </div>`)}</div></${Card}>`;
}

// How far something is behind, and whether that is much.
const late = (seconds) => [seconds > LATE_S ? "warn" : "good", seconds > 1 ? `${Math.round(seconds)} s behind` : "up to date"];
const behind = (count, what, seconds) => [late(seconds ?? 0)[0],
  count ? `${shortNumber(count)} ${what}, ${Math.round(seconds ?? 0)} s behind` : "up to date"];

const NAMES = { store: "Store", shards: "Shards", webhooks: "Webhooks", redis: "Redis", token_keys: "Token keys", rules: "Rules for payments",
  kafka_queue: "Kafka, queue", kafka_events: "Kafka, events" };

// One row for each thing that the server stands on; several of one kind are one, as good as the worst.
function dependencies(ready) {
  const worst = new Map();
  for (const { name, status } of ready?.dependencies || [])
    if (!worst.has(name) || worst.get(name) === "ok") worst.set(name, status);
  return [...worst].map(([name, status]) => [NAMES[name] || name,
    [status === "ok" ? "good" : status === "starting" ? "warn" : "bad", status]]);
}

// Trouble that is over is told, and worries nobody.
function missedDeadlines(points, all) {
  const lately = (points?.missed || []).reduce((sum, one) => sum + (one ?? 0), 0);
  return lately > 0 ? ["warn", `${lately} in the last minutes`]
    : ["good", all === undefined ? "–" : all === 0 ? "none" : `${all} since the start`];
}

function Health({ now, points, problem }) {
  const { data: ready } = useLoad(() => get("/readyz").catch((trouble) => trouble.document), [now?.at]);
  const value = (name) => now?.value("florin_" + name);
  const rows = [
    ["Server", problem ? ["bad", "not answering"] : ready?.status === "ready" ? ["good", "ready"] : ["warn", ready?.status || "…"]],
    ...dependencies(ready),
    ["Storage", value("storage_full") === 1 ? ["bad", "full: writes are refused"] : ["good", value("journal_bytes") ? `${bytes(value("journal_bytes"))} of journal` : "taking writes"]],
    ["Waiting requests", value("requests_waiting") > 1000 ? ["warn", String(value("requests_waiting"))] : ["good", String(value("requests_waiting") ?? "–")]],
    ["Missed deadlines", missedDeadlines(points, value("request_deadlines_missed_total"))],
    ...(value("worker_lag") !== undefined ? [["Queue", behind(value("worker_lag"), "commands", value("worker_oldest_seconds"))]] : []),
    ...(value("events_oldest_seconds") !== undefined ? [["Events", late(value("events_oldest_seconds"))]] : []),
    ["Connections", ["good", String(value("http_connections") ?? "–")]],
    ["Up", ["good", value("uptime_seconds") === undefined ? "–" : ago(Date.now() - value("uptime_seconds") * 1000).replace(" ago", "")]],
  ];
  return html`<${Card} title="Health"><ul class="health">${rows.map(([name, [mood, text]]) =>
    html`<li key=${name}><span class="dot ${mood}" role="img" aria-label=${mood}></span><span>${name}</span><b>${text}</b></li>`)}</ul></${Card}>`;
}

export function Overview({ theme }) {
  const [live, setLive] = useState({ points: null, now: null, problem: null });
  useEffect(() => watch((what) => setLive({ ...what, points: { ...what.points } })), []);
  const { points, now } = live;
  const news = useNews(now?.text, NEWS, PATIENCE_MS);
  const { data: books, problem } = useLoad((signal) => get("/check-integrity", {}, signal), [news]);
  const rate = latest(points?.payments);
  const p99 = latest(points?.p99);
  return html`<h1 class="unseen">Overview</h1><div class="grid">
    <${Trouble} problem=${problem || live.problem} />
    ${books && html`<${Totals} books=${books} now=${now} />`}
    <${Card} title="Payments per second" aside=${rate === null ? "" : `${shortNumber(rate)}/s now`}>
      ${!hasLine(points) ? html`<${NoLine} />` : html`<${Chart} theme=${theme} columns=${[points.at, points.payments]} format=${shortNumber}
        lines=${[{ label: "payments/s", colour: "--gold", filled: true }]}
        sentence=${`Payments per second over the last minutes; ${rate === null ? "none yet" : shortNumber(rate)} now.`} />`}
    </${Card}>
    <${Card} title="Latency" aside=${p99 === null ? "" : `99 % within ${milliseconds(p99)}`}>
      ${!hasLine(points) ? html`<${NoLine} />` : html`<${Chart} theme=${theme} columns=${[points.at, points.p50, points.p99]} format=${milliseconds}
        lines=${[{ label: "half within", colour: "--blue" }, { label: "99 % within", colour: "--red" }]}
        sentence=${`Latency of answers; 99 % within ${p99 === null ? "–" : milliseconds(p99)}.`} />`}
    </${Card}>
    <${Card} title="Integrity" aside=${books && `checked ${ago(books.as_of)}`}>
      ${books ? html`<p class="verdict ${books.consistent ? "good" : "bad"}"><${Sentence} text=${books.message} /></p>
        ${books.payments_stopped && html`<p class="trouble">Payments are stopped until an admin decides.</p>`}
        <p><a href="#/integrity">All checks</a></p>` : html`<p class="waiting">Adding up…</p>`}
    </${Card}>
    ${may("anomalies:read") && html`<${AnomaliesWaiting} metrics=${now?.text} />`}
    <${Health} now=${now} points=${points} problem=${live.problem} />
    ${now && html`<${Card} title="In the books"><ul class="health">${[
      ["Wallets", "wallets"], ["Transactions", "transactions"], ["Open holds", "holds_open"], ["Keys", "keys"]]
      .map(([title, name]) => html`<li key=${name}><span>${title}</span><b>${(now.value("florin_" + name) ?? 0).toLocaleString()}</b></li>`)}</ul></${Card}>`}
  </div>`;
}
