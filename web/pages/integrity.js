// SPDX-License-Identifier: MIT
// The full check of the books: every rule with what was looked at, every currency with its sums.
import { useState } from "../lib/hooks.js";
import { formatAmount } from "../money.js";
import { ago, Badge, Card, html, Time, Trouble, useLoad } from "../parts.js";
import { get } from "../session.js";

export function Integrity() {
  const [beat, setBeat] = useState(0);
  const { data, problem, loading } = useLoad((signal) => get("/check-integrity", {}, signal), [beat]);
  return html`<div class="grid">
    <${Card} title="Integrity" wide aside=${html`<button class="primary" disabled=${loading}
        onClick=${() => setBeat((was) => was + 1)}>${loading ? "Checking…" : "Check now"}</button>`}>
      <${Trouble} problem=${problem} />
      <div aria-live="polite">${data && html`
        <p class="verdict ${data.consistent ? "good" : "bad"}">${data.message}</p>
        <p class="faint">As of <${Time} at=${data.as_of} /> (${ago(data.as_of)}); it took ${data.took_ms} ms.</p>`}</div>
      ${loading && html`<progress aria-label="Checking the books"></progress>`}
    </${Card}>
    ${data && html`<${Card} title="Sums" wide><div class="scroll"><table>
      <thead><tr><th>Currency</th><th class="number">Wallets</th><th class="number">Their balances</th>
        <th class="number">Deposits</th><th class="number">Withdrawals</th><th class="number">Difference</th></tr></thead>
      <tbody>${data.currencies.map((one) => html`<tr key=${one.currency}><td>${one.currency}</td>
        <td class="number">${one.wallets.toLocaleString()}</td>
        ${["wallet_balances", "deposits", "withdrawals"].map((name) => html`<td class="number">${formatAmount(one[name], one.currency)}</td>`)}
        <td class="number">${one.difference == 0 ? html`<${Badge} word="none" mood="good" />`
          : html`<${Badge} word=${formatAmount(one.difference, one.currency)} mood="bad" />`}</td></tr>`)}</tbody></table></div></${Card}>
    <${Card} title="Rules" wide><div class="scroll"><table>
      <thead><tr><th>Rule</th><th class="number">Looked at</th><th class="number">Broken</th></tr></thead>
      <tbody>${data.checked.map((one) => html`<tr key=${one.check}><td>${one.rule}</td>
        <td class="number">${one.count.toLocaleString()}</td>
        <td class="number">${one.differences === 0 ? html`<${Badge} word="none" mood="good" />`
          : html`<${Badge} word=${String(one.differences)} mood="bad" />`}</td></tr>`)}</tbody></table></div></${Card}>`}
  </div>`;
}
