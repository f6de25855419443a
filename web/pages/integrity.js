// SPDX-License-Identifier: MIT
// The books: what the running totals and the last recount say, and the full check with its progress.
import { useEffect, useRef, useState } from "../lib/hooks.js";
import { formatAmount } from "../money.js";
import { useNews } from "../live.js";
import { Action, ago, Badge, Card, html, Sentence, span, Table, Time, Trouble, useBeat, useLoad } from "../parts.js";
import { follow, get, getText, may, send } from "../session.js";

const EVERY_MS = 10000; // between two looks for what is new
const PATIENCE_MS = 60000;
const OLD_MS = 10000; // what is under way for longer is a finding, here as for the server
const NEWS = ["florin_integrity_consistent ", "florin_integrity_alarms_total ", "florin_integrity_recounts_total ",
  "florin_payments_stopped ", "florin_money_exponent{"];

// A full check that is under way; `progress` in thousandths.
function useFullCheck() {
  const [state, setState] = useState({ running: false, progress: 0, data: null, problem: null });
  const stop = useRef(null);
  useEffect(() => () => stop.current?.abort(), []);
  const begin = async () => {
    stop.current = new AbortController();
    setState((was) => ({ ...was, running: true, progress: 0, problem: null }));
    try {
      const data = await follow("/check-integrity", { depth: "full" },
        ({ progress }) => setState((was) => ({ ...was, progress })), stop.current.signal);
      setState({ running: false, progress: 1000, data, problem: null });
    } catch (problem) {
      if (problem.name !== "AbortError") setState({ running: false, progress: 0, data: null, problem });
    }
  };
  return [state, begin];
}

const amountOf = (name) => (one) => formatAmount(one[name], one.currency);

const Sums = ({ currencies }) => html`<${Card} title="Sums" wide>
  <${Table} items=${currencies} name=${(one) => one.currency} caption="What all wallets have together" columns=${[
    ["Currency", (one) => one.currency],
    ["Wallets", (one) => one.wallets.toLocaleString(), "number"],
    ["Their balances", amountOf("wallet_balances"), "number"],
    ["Deposits", amountOf("deposits"), "number"],
    ["Withdrawals", amountOf("withdrawals"), "number"],
    ["Difference", (one) => one.difference == 0 ? html`<${Badge} word="none" mood="good" />`
      : html`<${Badge} word=${formatAmount(one.difference, one.currency)} mood="bad" />`, "number"]]} /></${Card}>`;

const isOld = (flight) => flight.age_ms >= OLD_MS;

const age = (flight) => html`<span>${flight.age_ms < 1000 ? "under 1 s" : span(flight.age_ms)}${" "}
  ${isOld(flight) && html`<${Badge} word="finding" mood="bad" />`}</span>`;

// Between shards a payment is booked on one and then on the other.
const UnderWay = ({ flights }) => html`<${Card} title="Under way between shards" wide>
  <p>Money that has left a shard and is not booked on another yet. The balances above are without it, and it is no difference.
    ${flights.some(isOld) ? ` What takes longer than ${OLD_MS / 1000} s is a finding: a shard cannot be asked, or its server does
      not let a payment end. It is finished by itself afterwards; the overview says whether a shard is away.`
    : " It arrives by itself, mostly within milliseconds."}</p>
  <${Table} items=${flights} name=${(one) => one.currency || ""} caption="What one shard has sent and another has not booked" columns=${[
    ["Currency", (one) => one.currency || "not decided yet"],
    ["Payments", (one) => one.payments.toLocaleString(), "number"],
    ["Amount", (one) => one.amount === undefined ? "–" : amountOf("amount")(one), "number"],
    ["The oldest", age, "number"]]} /></${Card}>`;

// Nothing is said about what nobody looked at: a recount ends at what it cannot explain.
const brokenWord = (one) => one.differences !== 0 ? html`<${Badge} word=${String(one.differences)} mood="bad" />`
  : one.count !== 0 ? html`<${Badge} word="none" mood="good" />` : "–";

const Rules = ({ checked }) => html`<${Card} title="Rules" wide>
  <${Table} items=${checked} name=${(one) => one.check} caption="What was looked at" columns=${[
    ["Rule", (one) => one.rule, "prose"],
    ["Looked at", (one) => one.count.toLocaleString(), "number"],
    ["Broken", brokenWord, "number"]]} /></${Card}>`;

// Payments are stopped: whoever may decide reads what differs once more before they go on.
function Stopped({ message, decided }) {
  const [opened, open] = useState(false);
  return html`<p class="trouble" role="alert">Payments are stopped until an admin decides.${" "}
      ${may("books:resume") && html`<button class="danger" onClick=${() => open(true)}>Let payments go on</button>`}</p>
    ${opened && html`<${Action} title="Let payments go on" word="Let payments go on" danger
        act=${(_, once) => send("POST", "/check-integrity/resume", undefined, once)}
        close=${(done) => { open(false); if (done) decided(); }}>
      <p>The books differ: <${Sentence} text=${message} /></p>
      <p>Every node takes payments again. What was found so far does not stop them a second time; another difference does.</p>
    </${Action}>`}`;
}

export function Integrity() {
  const beat = useBeat(EVERY_MS);
  const { data: metrics } = useLoad((signal) => getText("/metrics", signal), [beat]);
  const isWatched = useRef(false);
  const news = useNews(metrics, NEWS, isWatched.current ? EVERY_MS / 2 : PATIENCE_MS);
  const quick = useLoad((signal) => get("/check-integrity", {}, signal), [news]);
  isWatched.current = quick.data?.in_flight.some(isOld); // whether it has arrived is seen at the next look
  const [decidedAbout, setDecidedAbout] = useState(null); // what was shown then
  const [full, begin] = useFullCheck();
  const data = full.data || quick.data;
  const { recounts = {} } = quick.data || {};
  const percent = Math.floor(full.progress / 10);
  return html`<div class="grid">
    <${Card} title="Integrity" wide aside=${html`<button class="primary" disabled=${full.running}
        onClick=${begin}>${full.running ? "Checking…" : "Check everything now"}</button>`}>
      <${Trouble} problem=${full.problem || quick.problem} />
      ${full.running && html`<p><progress max="1000" value=${full.progress}
        aria-label="Checking the books"></progress> <span class="faint">${percent} %</span></p>`}
      <div aria-live="polite">${data && html`<p class="verdict ${data.consistent ? "good" : "bad"}"><${Sentence} text=${data.message} /></p>`}</div>
      ${data && html`<p class="faint">As of <${Time} at=${data.as_of} /> (${ago(data.as_of)}); ${data.depth === "full"
          ? `every record from the first was added up in ${data.took_ms.toLocaleString()} ms`
          : "from the totals that every commit keeps"}.
          ${recounts.finished_at && html` The last recount in the background ended <${Time} at=${recounts.finished_at} />.`}
          ${recounts.progress > 0 && ` The present one has come to ${Math.floor(recounts.progress / 10)} %.`}</p>
        ${data.payments_stopped && data !== decidedAbout
          && html`<${Stopped} message=${data.message} decided=${() => setDecidedAbout(data)} />`}`}
    </${Card}>
    ${data && html`<${Sums} currencies=${data.currencies} />
      ${data.in_flight.length > 0 && html`<${UnderWay} flights=${data.in_flight} />`}
      ${data.checked.length > 0 && html`<${Rules} checked=${data.checked} />`}`}
  </div>`;
}
