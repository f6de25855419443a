// SPDX-License-Identifier: MIT
// Wallets: found by owner or id; one wallet with its life.
import { useState } from "../lib/hooks.js";
import { Chart } from "../chart.js";
import { formatAmount } from "../money.js";
import { account, Action, asQuery, Badge, Card, Facts, Filters, go, html, Id, List, Money, pageSize, Table, Time, Trouble, useLoad, Whole } from "../parts.js";
import { get, may, send } from "../session.js";

const KINDS = [["", "any"], ["customer", "customer"], ["merchant", "merchant"]];
const STATES = [["", "any"], ["active", "active"], ["frozen", "frozen"], ["closed", "closed"]];
const TYPES = ["", "deposit", "withdrawal", "purchase", "refund", "transfer", "adjustment"].map((type) => [type, type || "any"]);

export function Wallets({ query }) {
  const search = (values) => {
    if (/^wallet_[0-9a-z]{26}$/.test(values.owner)) {
      go(`/wallets/${values.owner}`);
      return;
    }
    const given = Object.entries(values).filter(([, value]) => value);
    go(`/wallets?${new URLSearchParams(given)}`);
  };
  return html`<${Card} title="Wallets" wide>
    <${Filters} values=${query} change=${search} fields=${[
      { name: "owner", label: "Owner or id", hint: "ann, wallet_…" },
      { name: "kind", label: "Kind", options: KINDS },
      { name: "status", label: "Status", options: STATES },
      { name: "currency", label: "Currency", hint: "EUR" }]} />
    <${List} when=${[JSON.stringify(query)]} caption="Wallets, newest first"
      load=${(cursor, signal) => get("/v1/wallets", { ...query, limit: pageSize(), cursor }, signal)}
      href=${(wallet) => `#/wallets/${wallet.id}`}
      empty="No wallet matches."
      columns=${[
        ["Owner", (wallet) => wallet.owner],
        ["Kind", (wallet) => wallet.kind],
        ["Status", (wallet) => html`<${Badge} word=${wallet.status} />`],
        ["Balance", (wallet) => html`<${Money} minor=${wallet.balance} currency=${wallet.currency} />`, "number"],
        ["Held", (wallet) => wallet.held ? html`<${Money} minor=${wallet.held} currency=${wallet.currency} />` : "–", "number"],
        ["Opened", (wallet) => html`<${Time} at=${wallet.created_at} />`],
        ["Id", (wallet) => html`<${Id} id=${wallet.id} />`]]} />
  </${Card}>`;
}

const sideOf = (transaction, wallet) => transaction.debit.account === wallet ? transaction.debit : transaction.credit;
const signed = (transaction, wallet) => transaction.debit.account === wallet ? -transaction.amount : transaction.amount;
const other = (transaction, wallet) => transaction.debit.account === wallet ? transaction.credit : transaction.debit;

// Its balance after each of its last transactions, oldest first; flat in between.
export function BalanceChart({ wallet, theme }) {
  const { data, problem } = useLoad((signal) =>
    get(`/v1/wallets/${wallet.id}/transactions`, { limit: 500 }, signal), [wallet.version]);
  if (problem) return html`<${Trouble} problem=${problem} />`;
  if (!data) return html`<p class="waiting">Loading…</p>`;
  const steps = data.items.filter((one) => sideOf(one, wallet.id).balance !== undefined).reverse();
  if (steps.length === 0) return html`<p class="waiting">Nothing has moved here yet.</p>`;
  const times = [...steps.map((one) => new Date(one.created_at) / 1000), Date.now() / 1000];
  const balances = [...steps.map((one) => sideOf(one, wallet.id).balance), wallet.balance];
  return html`<${Chart} theme=${theme} columns=${[times, balances]} height=${220}
    lines=${[{ label: "balance", colour: "--gold", filled: true, stepped: true }]}
    format=${(minor) => formatAmount(Math.round(minor), wallet.currency)}
    sentence=${`The balance after each of the last ${steps.length} transactions; ${formatAmount(wallet.balance, wallet.currency)} ${wallet.currency} now.`} />`;
}

const History = ({ wallet }) => {
  const [filters, setFilters] = useState({});
  return html`<${Card} title="History" wide>
    <${Filters} values=${filters} change=${setFilters} word="Filter" fields=${[
      { name: "type", label: "Type", options: TYPES },
      { name: "from", label: "From", type: "date" }, { name: "to", label: "Before", type: "date" }]} />
    <${List} when=${[wallet.version, JSON.stringify(filters)]} caption="Transactions of this wallet, newest first"
      load=${(cursor, signal) => get(`/v1/wallets/${wallet.id}/transactions`, { ...asQuery(filters), limit: pageSize(), cursor }, signal)}
      href=${(one) => `#/transactions/${one.id}`} empty="No transaction matches."
      columns=${[
        ["When", (one) => html`<${Time} at=${one.created_at} />`],
        ["Type", (one) => one.type],
        ["With", (one) => account(other(one, wallet.id))],
        ["Order", (one) => one.order || one.bank_transaction_id || one.reference || "–"],
        ["Amount", (one) => html`<${Money} minor=${signed(one, wallet.id)} currency=${one.currency} sign />`, "number"],
        ["Balance after", (one) => sideOf(one, wallet.id).balance === undefined ? "–"
          : html`<${Money} minor=${sideOf(one, wallet.id).balance} currency=${one.currency} />`, "number"]]} />
  </${Card}>`;
};

const Holds = ({ wallet }) => html`<${Card} title="Holds" wide>
  <${List} when=${[wallet.version]} caption="Holds" empty="No hold was ever opened."
    load=${(cursor, signal) => get("/v1/holds", { [wallet.kind === "merchant" ? "merchant" : "wallet"]: wallet.id, limit: 20, cursor }, signal)}
    columns=${[
      ["Since", (hold) => html`<${Time} at=${hold.created_at} />`],
      ["Status", (hold) => html`<${Badge} word=${hold.status} />`],
      ["For", (hold) => html`<${Id} id=${hold.merchant} href=${`#/wallets/${hold.merchant}`} />`],
      ["Order", (hold) => hold.order || "–"],
      ["Amount", (hold) => html`<${Money} minor=${hold.amount} currency=${wallet.currency} />`, "number"],
      ["Remaining", (hold) => html`<${Money} minor=${hold.remaining} currency=${wallet.currency} />`, "number"],
      ["Ends", (hold) => html`<${Time} at=${hold.expires_at} />`]]} /></${Card}>`;

// Payments that a rule holds: their money counts in what is held, and somebody decides.
function Reviewed({ wallet }) {
  const { data, problem } = useLoad((signal) => get("/v1/anomalies",
    { wallet: wallet.id, status: "pending", action: "hold", limit: 20 }, signal), [wallet.version]);
  if (!problem && !data?.items.length) return null;
  return html`<${Card} title="Held until somebody decides" wide><${Trouble} problem=${problem} />
    ${data && html`<${Table} items=${data.items} href=${(one) => `#/anomalies/${one.id}`} caption="Payments that wait" columns=${[
      ["Since", (one) => html`<${Time} at=${one.created_at} />`],
      ["Why", (one) => one.sentence || "–", "prose"],
      ["Rule", (one) => one.rule || "–"],
      ["Amount", (one) => html`<${Money} minor=${one.amount} currency=${one.currency} />`, "number"],
      ["Ends", (one) => html`<${Time} at=${one.expires_at} />`]]} />`}</${Card}>`;
}

const Withdrawals = ({ wallet }) => html`<${Card} title="Withdrawals" wide>
  <${List} when=${[wallet.version]} caption="Withdrawals" empty="Nothing was ever withdrawn."
    load=${(cursor, signal) => get("/v1/withdrawals", { wallet: wallet.id, limit: 20, cursor }, signal)}
    columns=${[
      ["When", (one) => html`<${Time} at=${one.created_at} />`],
      ["Status", (one) => html`<${Badge} word=${one.status} />`],
      ["Bank id", (one) => one.bank_transaction_id || "–"],
      ["Amount", (one) => html`<${Money} minor=${one.amount} currency=${one.currency} />`, "number"],
      ["Reason", (one) => one.reason || "–"]]} /></${Card}>`;

const PERIODS = { transaction: "At once", day: "Today", month: "This month" };

const tierName = (tier) => tier ? `Tier ${tier}` : "No tier";

// What a tier lets wallets spend, in words.
function tierText(one, currency) {
  const parts = [["per_transaction", "at once"], ["per_day", "a day"], ["per_month", "a month"]]
    .filter(([name]) => one[name]).map(([name, words]) => `${formatAmount(one[name], currency)} ${words}`);
  return `${tierName(one.tier)}: ${parts.join(", ") || "no limit"}`;
}

// Tiers that have limits of their own, none, and the wallet's: those without have what all others have.
function tierChoices(limits) {
  const others = limits.tiers.find((one) => one.tier === undefined);
  const tiers = new Set([0, limits.tier, ...limits.tiers.map((one) => one.tier ?? 0)]);
  return [...tiers].sort((a, b) => a - b).map((tier) => [String(tier), tierText(
    { ...(limits.tiers.find((one) => one.tier === tier) ?? others), tier }, limits.currency)]);
}

const TierAction = ({ wallet, limits, close }) => html`<${Action} title="Change this wallet's tier" word="Change tier" close=${close}
  fields=${[{ name: "tier", label: `Tier, in ${wallet.currency}`, value: String(limits.tier), options: tierChoices(limits) },
    { name: "reason", label: "Reason", required: true, hint: "It is kept with the change." }]}
  act=${(values, once) => send("PATCH", `/v1/wallets/${wallet.id}`,
    { tier: Number(values.tier), reason: values.reason.trim() }, once)}>
  <p>What was spent stays spent; another tier's limits hold from the next payment on.</p>
  <p class="subject"><b>${wallet.owner}</b> <${Id} id=${wallet.id} /> · <${Money} minor=${wallet.balance} currency=${wallet.currency} /></p>
</${Action}>`;

function Limits({ wallet, changed }) {
  const { data: limits, problem } = useLoad((signal) => get(`/v1/wallets/${wallet.id}/limits`, {}, signal), [wallet.id, wallet.version]);
  const [acting, setActing] = useState(false);
  if (problem) return html`<${Card} title="Spending limits" wide><${Trouble} problem=${problem} /></${Card}>`;
  if (!limits || limits.tiers.length === 0) return null; // none are configured for such wallets
  const money = (minor) => html`<${Money} minor=${minor} currency=${limits.currency} />`;
  const canChange = may("wallets:change") && may("wallets:credit") && wallet.status !== "closed";
  return html`<${Card} title="Spending limits" wide aside=${html`${tierName(limits.tier)}
      ${canChange && html` <button onClick=${() => setActing(true)}>Change tier</button>`}`}>
    ${limits.limits.length === 0 && html`<p class="waiting">None hold for this wallet: it may spend what it has.</p>`}
    <ul class="limits">${limits.limits.map((one) => html`<li key=${one.period}>
      <div><b>${PERIODS[one.period]}</b>
        <span>${one.spent === undefined ? html`at most ${money(one.limit)}` : html`${money(one.spent)} of ${money(one.limit)}`}</span></div>
      ${one.spent !== undefined && html`<progress class=${one.left === 0 ? "full" : ""} max=${one.limit} value=${one.limit - one.left}
        aria-label=${`${PERIODS[one.period]}: ${formatAmount(one.spent, limits.currency)} of ${formatAmount(one.limit, limits.currency)} spent`} />
        <small class="faint">${one.left === 0 ? "Nothing is left" : html`${money(one.left)} left`}; begins anew on <${Time} at=${one.ends_at} /></small>`}
    </li>`)}</ul>
    ${acting && html`<${TierAction} wallet=${wallet} limits=${limits} close=${(done) => { setActing(false); if (done) changed(); }} />`}
  </${Card}>`;
}

// Whatever its version is by then: a wallet that is being emptied changes all the time.
function StatusAction({ wallet, close }) {
  const freeze = wallet.status === "active";
  return html`<${Action} title=${freeze ? "Freeze this wallet" : "Make this wallet active"}
    word=${freeze ? "Freeze" : "Make active"} danger=${freeze} close=${close}
    fields=${[{ name: "reason", label: "Reason", required: true, hint: "It is kept with the change." }]}
    act=${(values, once) => send("PATCH", `/v1/wallets/${wallet.id}`,
      { status: freeze ? "frozen" : "active", reason: values.reason.trim() }, once)}>
    <p>${freeze
      ? "No money will leave it: purchases, transfers, withdrawals, holds and captures are refused. Deposits and refunds still arrive."
      : "Money can leave it again."}</p>
    <p class="subject"><b>${wallet.owner}</b> <${Id} id=${wallet.id} /> · <${Money} minor=${wallet.balance} currency=${wallet.currency} /></p>
  </${Action}>`;
}

export function Wallet({ id, theme }) {
  const { data: wallet, problem, again } = useLoad((signal) => get(`/v1/wallets/${id}`, {}, signal), [id]);
  const [acting, setActing] = useState(false);
  if (problem) return html`<${Card} title="Wallet"><${Trouble} problem=${problem} /><p><a href="#/wallets">All wallets</a></p></${Card}>`;
  if (!wallet) return html`<p class="waiting">Loading…</p>`;
  const canChange = may("wallets:freeze");
  return html`<div class="grid">
    <${Card} title=${wallet.owner} wide aside=${html`<${Badge} word=${wallet.status} />
      ${canChange && wallet.status !== "closed" && html` <button class=${wallet.status === "active" ? "danger" : "primary"}
        onClick=${() => setActing(true)}>${wallet.status === "active" ? "Freeze" : "Make active"}</button>`}`}>
      <div class="tiles">
        <div class="tile"><span class="label">Balance</span><strong><${Money} minor=${wallet.balance} currency=${wallet.currency} /></strong></div>
        <div class="tile"><span class="label">Held</span><strong><${Money} minor=${wallet.held} currency=${wallet.currency} /></strong></div>
        <div class="tile"><span class="label">Available</span><strong><${Money} minor=${wallet.available} currency=${wallet.currency} /></strong></div>
      </div>
      <${Facts} rows=${[["Id", html`<${Whole} id=${wallet.id} />`], ["Kind", wallet.kind],
        ["Credit limit", wallet.credit_limit ? html`<${Money} minor=${wallet.credit_limit} currency=${wallet.currency} />` : null],
        ["Tier", wallet.tier || null], ["Version", wallet.version], ["Opened", html`<${Time} at=${wallet.created_at} />`],
        ...Object.entries(wallet.metadata || {})]} />
    </${Card}>
    <${Limits} wallet=${wallet} changed=${again} />
    ${may("payments:read") && html`
      <${Card} title="Balance over time" wide><${BalanceChart} wallet=${wallet} theme=${theme} /></${Card}>
      <${History} wallet=${wallet} />
      ${may("anomalies:read") && wallet.held > 0 && html`<${Reviewed} wallet=${wallet} />`}<${Holds} wallet=${wallet} /><${Withdrawals} wallet=${wallet} />`}
    ${acting && html`<${StatusAction} wallet=${wallet} close=${(done) => { setActing(false); if (done) again(); }} />`}
  </div>`;
}
