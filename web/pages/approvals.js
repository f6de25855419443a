// SPDX-License-Identifier: MIT
// Four eyes: requests that wait for a second person, who approves or rejects them here.
import { useState } from "../lib/hooks.js";
import { Action, Asked, Badge, Card, Facts, Filters, go, html, Id, List, Money, Time, Trouble, useLoad, Whole } from "../parts.js";
import { get, may, send } from "../session.js";

const STATES = ["", "pending", "approved", "refused", "rejected", "expired"].map((word) => [word, word || "any"]);

export function Approvals({ query }) {
  const search = (values) =>
    go(`/approvals?${new URLSearchParams(Object.entries(values).filter(([, value]) => value))}`);
  return html`<${Card} title="Approvals" wide>
    <${Filters} values=${query} change=${search} fields=${[
      { name: "status", label: "Status", options: STATES },
      { name: "requested_by", label: "Asked by", hint: "key_…" },
      { name: "wallet", label: "Wallet", hint: "wallet_…" }]} />
    <${List} when=${[JSON.stringify(query)]} caption="Requests that wait or waited, newest first"
      load=${(cursor, signal) => get("/v1/approvals", { ...query, cursor }, signal)}
      href=${(one) => `#/approvals/${one.id}`} empty="Nothing waits for anybody."
      columns=${[
        ["Asked", (one) => html`<${Time} at=${one.created_at} />`],
        ["What", (one) => one.operation],
        ["Status", (one) => html`<${Badge} word=${one.status} mood=${one.status === "pending" ? "warn" : undefined} />`],
        ["Amount", (one) => html`<${Money} minor=${one.amount} currency=${one.currency} />`, "number"],
        ["Wallet", (one) => html`<${Id} id=${one.wallet} href=${`#/wallets/${one.wallet}`} />`],
        ["Asked by", (one) => html`<${Id} id=${one.requested_by} />`],
        ["Ends", (one) => html`<${Time} at=${one.expires_at} />`]]} />
  </${Card}>`;
}

function Decision({ approval, verb, close }) {
  const approve = verb === "approve";
  return html`<${Action} title=${approve ? "Approve this request" : "Reject this request"}
    word=${approve ? "Approve" : "Reject"} danger=${!approve} close=${close}
    fields=${[{ name: "reason", label: "Reason", required: !approve, hint: "It is kept with the decision." }]}
    act=${(values, once) => send("POST", `/v1/approvals/${approval.id}/${verb}`,
      values.reason.trim() ? { reason: values.reason.trim() } : {}, once)}>
    <p class="subject"><b>${approval.operation}</b> of <b><${Money} minor=${approval.amount} currency=${approval.currency} /></b>${" "}
      concerning <${Id} id=${approval.wallet} />, asked by <${Id} id=${approval.requested_by} />.</p>
    <p>${approve ? "It is decided again as it was asked; the rules may still refuse it." : "Nothing of it will happen."}</p>
  </${Action}>`;
}

export function Approval({ id }) {
  const { data: one, problem, again } = useLoad((signal) => get(`/v1/approvals/${id}`, {}, signal), [id]);
  const [verb, setVerb] = useState(null);
  if (problem) return html`<${Card} title="Approval"><${Trouble} problem=${problem} /><p><a href="#/approvals">All approvals</a></p></${Card}>`;
  if (!one) return html`<p class="waiting">Loading…</p>`;
  return html`<div class="grid"><${Card} wide
    title=${html`${one.operation[0].toUpperCase() + one.operation.slice(1)} of <${Money} minor=${one.amount} currency=${one.currency} />`}
    aside=${html`<${Badge} word=${one.status} mood=${one.status === "pending" ? "warn" : undefined} />${one.status === "pending" && may("approvals:decide")
      && html` <button class="primary" onClick=${() => setVerb("approve")}>Approve</button>${" "}
        <button class="danger" onClick=${() => setVerb("reject")}>Reject</button>`}`}>
    <${Facts} rows=${[["Id", html`<${Whole} id=${one.id} />`],
      ["Wallet", html`<${Id} id=${one.wallet} href=${`#/wallets/${one.wallet}`} />`],
      ["Asked by", html`<${Whole} id=${one.requested_by} />`], ["Asked", html`<${Time} at=${one.created_at} />`],
      ["Waits until", html`<${Time} at=${one.expires_at} />`],
      ["Decided by", one.decided_by && html`<${Whole} id=${one.decided_by} />`], ["Decided", one.decided_at && html`<${Time} at=${one.decided_at} />`],
      ["Reason", one.reason],
      ["Transaction", one.transaction && html`<${Id} id=${one.transaction} href=${`#/transactions/${one.transaction}`} />`],
      ["Refused because", one.refusal && (one.refusal.detail || one.refusal.code)]]} />
  </${Card}>
  <${Card} title="As it was asked" wide><${Asked} one=${one} /></${Card}>
  ${verb && html`<${Decision} approval=${one} verb=${verb} close=${(done) => { setVerb(null); if (done) again(); }} />`}</div>`;
}
