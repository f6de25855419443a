// SPDX-License-Identifier: MIT
// The review queue: what rules and watchers found in payments, why, and what a person decides.
import { useRef, useState } from "../lib/hooks.js";
import { newsOf, useNews } from "../live.js";
import { Action, Asked, asQuery, Badge, Card, Facts, Filters, go, html, Id, List, Money, Time, Trouble, useLoad, Whole } from "../parts.js";
import { get, may, send } from "../session.js";
import { BalanceChart } from "./wallets.js";
import { transactionColumns } from "./transactions.js";

// The queue shows what waits unless something else is asked for.
const STATES = [["pending", "waiting"], ["approved", "approved"], ["rejected", "rejected"],
  ["dismissed", "dismissed"], ["refused", "refused"], ["expired", "expired"], ["any", "any"]];
const KINDS = [["", "any"], ["hold", "held"], ["flag", "flagged"]];
const ORDERS = [["", "newest first"], ["score", "highest score first"]];
const EVERY_MS = 4000; // between two looks for what is new in the queue
const PATIENCE_MS = 60000;
const LONG_MS = 300000; // where they are but counted
const NEWS = ["florin_anomalies_waiting{", "florin_rule_hits_total{", "florin_pattern_findings_total{",
  ...["approve", "reject", "dismiss"].map((verb) => `florin_requests_total{operation="${verb}Anomaly"`)];
const SORTED_MAX = 2000;
const WAITING_MAX = 100;
const WAITING_PAGES_MAX = 20;

const Amount = ({ one }) => one.amount === undefined ? "–"
  : html`<${Money} minor=${one.amount} currency=${one.currency} />`;
const Status = ({ one }) =>
  html`<${Badge} word=${one.status === "pending" ? "waiting" : one.status} mood=${one.status === "pending" ? "warn" : undefined} />`;
const kindOf = (one) => one.action === "hold" ? "held" : "flagged";

// The newest ones, up to a limit, with the highest score first and the newest of one score first.
async function loadSorted(asked, signal) {
  const items = [];
  let cursor;
  do {
    const page = await get("/v1/anomalies", { ...asked, limit: 1000, cursor }, signal);
    items.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor && items.length < SORTED_MAX);
  return { items: items.sort((one, other) => (other.score ?? 0) - (one.score ?? 0)) };
}

export function Anomalies({ query }) {
  const values = { status: "pending", ...query };
  const search = (given) =>
    go(`/anomalies?${new URLSearchParams(Object.entries(given).filter(([, value]) => value))}`);
  const { order, ...filters } = values;
  const asked = { ...asQuery(filters), status: values.status === "any" ? "" : values.status };
  const byScore = order === "score";
  const news = useRef(may("books:read") ? newsOf(NEWS, PATIENCE_MS) : async () => () => 0);
  return html`<${Card} title="Anomalies" wide>
    <${Filters} values=${values} change=${search} fields=${[
      { name: "status", label: "Status", options: STATES },
      { name: "action", label: "Kind", options: KINDS },
      { name: "order", label: "Order", options: ORDERS },
      { name: "rule", label: "Rule", hint: "many-in-an-hour" },
      { name: "wallet", label: "Wallet", hint: "wallet_…" },
      { name: "from", label: "From", type: "date" }, { name: "to", label: "Before", type: "date" }]} />
    <${List} when=${[JSON.stringify(query)]} news=${news.current} every=${may("books:read") ? EVERY_MS : PATIENCE_MS}
      caption=${`What was found in payments, ${byScore ? "highest score" : "newest"} first`}
      load=${(cursor, signal) => byScore ? loadSorted(asked, signal)
        : get("/v1/anomalies", { ...asked, cursor }, signal)}
      href=${(one) => `#/anomalies/${one.id}`}
      empty=${values.status === "pending" ? "Nothing waits for a decision." : "No anomaly matches."}
      columns=${[
        ["When", (one) => html`<${Time} at=${one.created_at} />`],
        ["Why", (one) => one.sentence || "–", "prose"],
        ["Rule", (one) => one.rule || "–"],
        ["Score", (one) => one.score ?? "–", "number"],
        ["Payment", kindOf],
        ["Status", (one) => html`<${Status} one=${one} />`],
        ["Amount", (one) => html`<${Amount} one=${one} />`, "number"],
        ["Wallet", (one) => html`<${Id} id=${one.wallet} href=${`#/wallets/${one.wallet}`} />`]]} />
  </${Card}>`;
}

const VERBS = {
  approve: { title: "Approve this payment", word: "Approve",
    says: "It is decided again as it was asked. The books may refuse it by now; the money is free again then." },
  reject: { title: "Reject this payment", word: "Reject", danger: true,
    says: "Nothing of it will happen, and the held money is free again." },
  dismiss: { title: "Dismiss this finding", word: "Dismiss",
    says: "The payment has already happened and stays as it is; the finding leaves the queue." },
};

function Decision({ one, wallet, verb, close }) {
  const { title, word, danger, says } = VERBS[verb];
  return html`<${Action} title=${title} word=${word} danger=${danger} close=${close}
    fields=${[{ name: "comment", label: "Comment", hint: "Why, in your words. It is kept with the decision." }]}
    act=${(values, once) => send("POST", `/v1/anomalies/${one.id}/${verb}`,
      values.comment.trim() ? { comment: values.comment.trim() } : {}, once)}>
    <p class="subject">${one.operation ? html`<b>${one.operation}</b> of ` : ""}<b><${Amount} one=${one} /></b>${" "}
      from <b>${wallet?.owner || "the wallet"}</b> <${Id} id=${one.wallet} />: ${one.sentence}</p>
    <p>${says}</p>
  </${Action}>`;
}

function Recent({ wallet, theme }) {
  return html`<${Card} title=${html`Recent life of <a href=${`#/wallets/${wallet.id}`}>${wallet.owner}</a>`} wide
      aside=${html`<${Badge} word=${wallet.status} /> <${Money} minor=${wallet.balance} currency=${wallet.currency} />,${" "}
        <${Money} minor=${wallet.held} currency=${wallet.currency} /> held`}>
    <${BalanceChart} wallet=${wallet} theme=${theme} />
    <${List} when=${[wallet.version]} caption="Last transactions of this wallet, newest first"
      load=${(cursor, signal) => get(`/v1/wallets/${wallet.id}/transactions`, { limit: 8, cursor }, signal)}
      href=${(other) => `#/transactions/${other.id}`} columns=${transactionColumns}
      empty="Nothing has moved here yet." /></${Card}>`;
}

function Made({ one }) {
  const ids = [...new Set([...(one.transactions || []), one.transaction].filter(Boolean))];
  return ids.length === 0 ? null : ids.map((id) =>
    html`<${Id} id=${id} href=${may("payments:read") ? `#/transactions/${id}` : undefined} /> `);
}

export function Anomaly({ id, theme }) {
  const { data: one, problem, again } = useLoad((signal) => get(`/v1/anomalies/${id}`, {}, signal), [id]);
  const { data: wallet } = useLoad(async (signal) => one && may("wallets:read")
    ? get(`/v1/wallets/${one.wallet}`, {}, signal) : null, [one?.wallet, one?.status]);
  const [verb, setVerb] = useState(null);
  if (problem) return html`<${Card} title="Anomaly"><${Trouble} problem=${problem} /><p><a href="#/anomalies">All anomalies</a></p></${Card}>`;
  if (!one) return html`<p class="waiting">Loading…</p>`;
  const verbs = one.status !== "pending" || !may("anomalies:decide") ? []
    : one.action === "hold" ? ["approve", "reject"] : ["dismiss"];
  return html`<div class="grid"><${Card} wide
    title=${html`${kindOf(one) === "held" ? "Held" : "Flagged"}: ${one.operation ? `${one.operation} of ` : `${one.rule}, `}<${Amount} one=${one} />`}
    aside=${html`<${Status} one=${one} /> ${verbs.map((name) => html`<button key=${name}
      class=${VERBS[name].danger ? "danger" : "primary"} onClick=${() => setVerb(name)}>${VERBS[name].word}</button> `)}`}>
    <p class="verdict">${one.sentence}</p>
    <${Facts} rows=${[["Rule", one.rule], ["Score", one.score === undefined ? null : `${one.score} of 100`],
      ["Wallet", html`${wallet ? html`<b>${wallet.owner}</b> ` : ""}<${Id} id=${one.wallet} href=${may("wallets:read") ? `#/wallets/${one.wallet}` : undefined} />`],
      ["Amount", html`<${Amount} one=${one} />`], ["Found", html`<${Time} at=${one.created_at} />`],
      ["Waits until", one.status === "pending" && one.expires_at && html`<${Time} at=${one.expires_at} />`],
      ["Asked by", one.requested_by && html`<${Whole} id=${one.requested_by} />`], ["Rule set", one.rules_version && `version ${one.rules_version}`],
      ["Transactions", (one.transactions?.length || one.transaction) && html`<${Made} one=${one} />`],
      ["Hold", one.hold && html`<${Id} id=${one.hold} />`],
      ["Withdrawal", one.withdrawal && html`<${Id} id=${one.withdrawal} />`],
      ["Decided by", one.decided_by && html`<${Whole} id=${one.decided_by} />`], ["Decided", one.decided_at && html`<${Time} at=${one.decided_at} />`],
      ["Comment", one.comment],
      ["Refused because", one.refusal && (one.refusal.detail || one.refusal.code)],
      ["Id", html`<${Whole} id=${one.id} />`]]} />
    <p><a href="#/anomalies">What else waits</a></p>
  </${Card}>
  ${one.request && html`<${Card} title="As it was asked" wide><${Asked} one=${one} /></${Card}>`}
  ${wallet && may("payments:read") && html`<${Recent} wallet=${wallet} theme=${theme} />`}
  ${verb && html`<${Decision} one=${one} wallet=${wallet} verb=${verb}
    close=${(done) => { setVerb(null); if (done) again(); }} />`}</div>`;
}

// How many wait, as people read it. Counted up to a limit; a page of the list may be short although
// there is more.
async function countOf(action, signal) {
  let count = 0;
  let cursor;
  for (let i = 0; i < WAITING_PAGES_MAX && count < WAITING_MAX; i++) {
    const page = await get("/v1/anomalies", { status: "pending", action, limit: WAITING_MAX, cursor }, signal);
    count += page.items.length;
    cursor = page.next_cursor;
    if (!cursor) return { count, said: String(count) };
  }
  return { count: Math.min(count, WAITING_MAX), said: `more than ${Math.min(count, WAITING_MAX)}`, more: true };
}

// Each kind apart: held money must be seen behind any number of findings.
async function countWaiting(signal) {
  const [held, flagged] = await Promise.all([countOf("hold", signal), countOf("flag", signal)]);
  return { held, flagged };
}

// `metrics`: as they are now, as text.
export function AnomaliesWaiting({ metrics }) {
  const news = useNews(metrics, NEWS, LONG_MS);
  const { data, problem } = useLoad(countWaiting, [news]);
  const count = data && data.held.count + data.flagged.count;
  return html`<${Card} title="Anomalies">
    <${Trouble} problem=${problem} />
    ${data && html`<p class="verdict ${count ? "warn" : "good"}">${count === 0 ? "Nothing waits for a decision."
      : `${data.held.more || data.flagged.more ? "More than " : ""}${count} wait${count === 1 ? "s" : ""} for a decision.`}</p>
    ${count > 0 && html`<p>${data.held.said} held, ${data.flagged.said} flagged.</p>`}`}
    <p><a href=${data && data.held.count > 0 ? "#/anomalies?action=hold" : "#/anomalies"}>The review queue</a></p></${Card}>`;
}
