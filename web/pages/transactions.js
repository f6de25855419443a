// SPDX-License-Identifier: MIT
// Transactions: found by bank id, order, principal or id; one transaction with both postings, what
// belongs to it, and its refund.
import { useState } from "../lib/hooks.js";
import { formatAmount, parseAmount } from "../money.js";
import { account, Action, asQuery, Card, Facts, Filters, go, html, Id, List, Money, pageSize, Table, Time, Trouble, useLoad, Whole } from "../parts.js";
import { get, may, Problem, send } from "../session.js";

const TYPES = ["", "deposit", "withdrawal", "purchase", "refund", "transfer", "adjustment"].map((type) => [type, type || "any"]);

export const transactionColumns = [
  ["When", (one) => html`<${Time} at=${one.created_at} />`],
  ["Type", (one) => one.type],
  ["From", (one) => account(one.debit)],
  ["To", (one) => account(one.credit)],
  ["Order or bank id", (one) => one.order || one.bank_transaction_id || "–"],
  ["Amount", (one) => html`<${Money} minor=${one.amount} currency=${one.currency} />`, "number"]];

export function Transactions({ query }) {
  const search = (values) => {
    if (/^txn_[0-9a-z]{26}$/.test(values.order || "")) {
      go(`/transactions/${values.order}`);
      return;
    }
    go(`/transactions?${new URLSearchParams(Object.entries(values).filter(([, value]) => value))}`);
  };
  return html`<${Card} title="Transactions" wide>
    <${Filters} values=${query} change=${search} fields=${[
      { name: "order", label: "Order or id", hint: "order-1007, txn_…" },
      { name: "bank_transaction_id", label: "Bank id" },
      { name: "initiated_by", label: "Principal", hint: "key_…" },
      { name: "type", label: "Type", options: TYPES },
      { name: "from", label: "From", type: "date" }, { name: "to", label: "Before", type: "date" }]} />
    <${List} when=${[JSON.stringify(query)]} caption="Transactions, newest first" empty="No transaction matches."
      load=${(cursor, signal) => get("/v1/transactions", { ...asQuery(query), limit: pageSize(), cursor }, signal)}
      href=${(one) => `#/transactions/${one.id}`} columns=${transactionColumns} />
  </${Card}>`;
}

// Whose wallets they are: ids alone tell people little.
function useOwners(one) {
  const ids = one ? [one.debit.account, one.credit.account].filter((name) => name.startsWith("wallet_")) : [];
  const { data } = useLoad(async (signal) => {
    if (!may("wallets:read")) return {};
    const found = await Promise.all(ids.map((id) => get(`/v1/wallets/${id}`, {}, signal).catch(() => null)));
    return Object.fromEntries(found.filter(Boolean).map((wallet) => [wallet.id, wallet.owner]));
  }, [ids.join()]);
  return data || {};
}

const Party = ({ side, owners }) => html`${owners[side.account] ? html`<b>${owners[side.account]}</b> ` : ""}${account(side)}`;

const Side = ({ title, side, currency, owners }) => html`<div class="tile"><span class="label">${title}</span>
  <strong>${owners[side.account] || account(side)}</strong>
  ${owners[side.account] && html`<span class="sub">${account(side)}</span>`}
  <span class="sub">${side.balance === undefined ? "" : html`balance after: <${Money} minor=${side.balance} currency=${currency} /> · version ${side.version}`}</span></div>`;

function RefundAction({ purchase, owners, close }) {
  const left = purchase.amount - (purchase.refunded || 0);
  return html`<${Action} title="Refund this purchase" word="Refund" danger close=${close}
    fields=${[
      { name: "amount", label: `Amount in ${purchase.currency}`, required: true, inputmode: "decimal",
        value: formatAmount(left, purchase.currency), hint: `At most ${formatAmount(left, purchase.currency)}.` },
      { name: "reason", label: "Reason", required: true, hint: "The customer may see it." }]}
    act=${(values, once) => {
      const amount = parseAmount(values.amount, purchase.currency);
      if (amount === null) throw new Problem(400, { detail: `“${values.amount}” is no amount in ${purchase.currency}.` });
      return send("POST", "/v1/refunds", { purchase: purchase.id, amount, reason: values.reason.trim() }, once);
    }}>
    ${(values) => {
      const amount = parseAmount(values.amount, purchase.currency);
      return html`<p class="subject">${amount === null ? "?" : html`<b><${Money} minor=${amount} currency=${purchase.currency} /></b>`}${" "}
        goes back from <${Party} side=${purchase.credit} owners=${owners} />${" "}
        to <${Party} side=${purchase.debit} owners=${owners} />.</p>`;
    }}
  </${Action}>`;
}

// Refunds of a purchase: in the customer's history since then. A bounded look, newest first.
async function findRefunds(purchase, signal) {
  const found = [];
  let cursor;
  for (let page = 0; page < 5; page++) {
    const list = await get(`/v1/wallets/${purchase.debit.account}/transactions`,
      { type: "refund", from: purchase.created_at, limit: 200, cursor }, signal);
    found.push(...list.items.filter((one) => one.purchase === purchase.id));
    cursor = list.next_cursor;
    if (!cursor) break;
  }
  return found;
}

function Refunds({ purchase }) {
  const { data, problem } = useLoad((signal) => findRefunds(purchase, signal), [purchase.id, purchase.refunded]);
  return html`<${Card} title="Refunds" wide aside=${html`<${Money} minor=${purchase.refunded || 0} currency=${purchase.currency} /> of${" "}
      <${Money} minor=${purchase.amount} currency=${purchase.currency} />`}>
    <${Trouble} problem=${problem} />
    ${data && data.length === 0 && html`<p class="waiting">None.</p>`}
    ${data && data.length > 0 && html`<${Table} items=${data} href=${(one) => `#/transactions/${one.id}`} caption="Refunds of this purchase" columns=${[
      ["When", (one) => html`<${Time} at=${one.created_at} />`],
      ["Reason", (one) => one.reason || "–"],
      ["Amount", (one) => html`<${Money} minor=${one.amount} currency=${one.currency} />`, "number"]]} />`}
  </${Card}>`;
}

// A hold is in the currency of its captures, and does not say it itself.
function OfHold({ hold, currency }) {
  const { data, problem } = useLoad((signal) => get(`/v1/holds/${hold}`, {}, signal), [hold]);
  const money = (minor) => html`<${Money} minor=${minor} currency=${currency} />`;
  return html`<${Card} title="Captured from a hold" wide><${Trouble} problem=${problem} />
    ${data && html`<${Facts} rows=${[["Hold", html`<${Whole} id=${data.id} />`], ["Status", data.status],
      ["Held", money(data.amount)], ["Captured", money(data.captured)], ["Remaining", money(data.remaining)]]} />`}</${Card}>`;
}

export function Transaction({ id }) {
  const { data: one, problem, again } = useLoad((signal) => get(`/v1/transactions/${id}`, {}, signal), [id]);
  const [acting, setActing] = useState(false);
  const owners = useOwners(one);
  if (problem) return html`<${Card} title="Transaction"><${Trouble} problem=${problem} /><p><a href="#/transactions">All transactions</a></p></${Card}>`;
  if (!one) return html`<p class="waiting">Loading…</p>`;
  const canRefund = one.type === "purchase" && (one.refunded || 0) < one.amount
    && (may("refunds:write"));
  return html`<div class="grid">
    <${Card} title=${html`${one.type[0].toUpperCase() + one.type.slice(1)} of <${Money} minor=${one.amount} currency=${one.currency} />`} wide
      aside=${canRefund && html`<button class="danger" onClick=${() => setActing(true)}>Refund</button>`}>
      <div class="tiles"><${Side} title="Debit" side=${one.debit} currency=${one.currency} owners=${owners} />
        <${Side} title="Credit" side=${one.credit} currency=${one.currency} owners=${owners} /></div>
      <${Facts} rows=${[["Id", html`<${Whole} id=${one.id} />`],
        ["When", html`<${Time} at=${one.created_at} />`], ["Initiated by", html`<${Whole} id=${one.initiated_by} />`],
        ["Bank transaction id", one.bank_transaction_id], ["Order", one.order], ["Reference", one.reference],
        ["Reason", one.reason],
        ["Purchase", one.purchase && html`<${Id} id=${one.purchase} href=${`#/transactions/${one.purchase}`} />`],
        ...Object.entries(one.metadata || {})]} />
    </${Card}>
    ${one.type === "purchase" && html`<${Refunds} purchase=${one} />`}
    ${one.hold && html`<${OfHold} hold=${one.hold} currency=${one.currency} />`}
    ${one.order && html`<${Card} title=${`Everything of order ${one.order}`} wide><${List} when=${[one.id, one.refunded]}
      load=${(cursor, signal) => get("/v1/transactions", { order: one.order, cursor }, signal)}
      href=${(other) => `#/transactions/${other.id}`} columns=${transactionColumns} empty="Nothing else." /></${Card}>`}
    ${acting && html`<${RefundAction} purchase=${one} owners=${owners} close=${(done) => { setActing(false); if (done) again(); }} />`}
  </div>`;
}
