// SPDX-License-Identifier: MIT
// Who did what, and what was refused.
import { asQuery, Badge, Card, Filters, go, html, Id, List, pageSize, Time } from "../parts.js";
import { get } from "../session.js";

const OUTCOMES = [["", "any"], ["ok", "ok"], ["refused", "any refusal"], ...["unauthenticated",
  "forbidden", "second_principal_needed", "rate_limited", "invalid_request", "idempotency_key_reused", "not_found",
  "version_mismatch", "duplicate_bank_transaction", "insufficient_funds", "limit_exceeded", "wallet_frozen",
  "wallet_closed", "refused_by_rule", "held_for_review", "payments_stopped"].map((word) => [word, word])];

// Where a thing can be looked at on this page.
function resource(entry) {
  const id = entry.transaction || entry.resource;
  if (!id) return "–";
  const page = { wallet: "wallets", txn: "transactions", anm: "anomalies", apr: "approvals" }[id.split("_")[0]];
  return html`<${Id} id=${id} href=${page && `#/${page}/${id}`} />`;
}

export function Audit({ query }) {
  const search = (values) =>
    go(`/audit?${new URLSearchParams(Object.entries(values).filter(([, value]) => value))}`);
  return html`<${Card} title="Audit" wide>
    <${Filters} values=${query} change=${search} fields=${[
      { name: "principal", label: "Principal", hint: "key_…" },
      { name: "resource", label: "About", hint: "wallet_…, txn_…" },
      { name: "operation", label: "Operation", hint: "refund" },
      { name: "outcome", label: "Outcome", options: OUTCOMES },
      { name: "from", label: "From", type: "date" }, { name: "to", label: "Before", type: "date" }]} />
    <${List} when=${[JSON.stringify(query)]} caption="Who did what, newest first" empty="Nothing matches." compact
      load=${(cursor, signal) => get("/v1/audit", { ...asQuery(query), limit: pageSize(), cursor }, signal)}
      columns=${[
        ["When", (entry) => html`<${Time} at=${entry.at} />`],
        ["Who", (entry) => entry.principal ? html`<${Id} id=${entry.principal} /> ${entry.role || ""}` : "nobody known"],
        ["From", (entry) => entry.address || "–"],
        ["Operation", (entry) => `${entry.operation || "–"}${entry.count > 1 ? ` × ${entry.count}` : ""}`],
        ["About", resource],
        ["Outcome", (entry) => html`<${Badge} word=${entry.outcome} mood=${entry.outcome === "ok" ? "good" : "bad"} />`],
        ["Request", (entry) => entry.request_id ? html`<span class="id">${entry.request_id}</span>` : "–"]]} />
  </${Card}>`;
}
