// SPDX-License-Identifier: MIT
// The books: what the running totals and the last recount say, and the full check with its progress.
import { useEffect, useRef, useState } from "../lib/hooks.js";
import { formatAmount } from "../money.js";
import { Action, ago, Badge, Card, html, Sentence, Time, Trouble, useBeat, useLoad } from "../parts.js";
import { follow, get, may, send } from "../session.js";

const EVERY_MS = 30000; // between two looks at the totals and the recount in the background

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

function Sums({ currencies }) {
  return html`<${Card} title="Sums" wide><div class="scroll"><table>
    <thead><tr><th>Currency</th><th class="number">Wallets</th><th class="number">Their balances</th>
      <th class="number">Deposits</th><th class="number">Withdrawals</th><th class="number">Difference</th></tr></thead>
    <tbody>${currencies.map((one) => html`<tr key=${one.currency}><td>${one.currency}</td>
      <td class="number">${one.wallets.toLocaleString()}</td>
      ${["wallet_balances", "deposits", "withdrawals"].map((name) => html`<td class="number">${formatAmount(one[name], one.currency)}</td>`)}
      <td class="number">${one.difference == 0 ? html`<${Badge} word="none" mood="good" />`
        : html`<${Badge} word=${formatAmount(one.difference, one.currency)} mood="bad" />`}</td></tr>`)}</tbody></table></div></${Card}>`;
}

// Nothing is said about what nobody looked at: a recount ends at what it cannot explain.
const brokenWord = (one) => one.differences !== 0 ? html`<${Badge} word=${String(one.differences)} mood="bad" />`
  : one.count !== 0 ? html`<${Badge} word="none" mood="good" />` : "–";

function Rules({ checked }) {
  return html`<${Card} title="Rules" wide><div class="scroll"><table>
    <thead><tr><th>Rule</th><th class="number">Looked at</th><th class="number">Broken</th></tr></thead>
    <tbody>${checked.map((one) => html`<tr key=${one.check}><td class="prose">${one.rule}</td>
      <td class="number">${one.count.toLocaleString()}</td>
      <td class="number">${brokenWord(one)}</td></tr>`)}</tbody></table></div></${Card}>`;
}

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
  const quick = useLoad((signal) => get("/check-integrity", {}, signal), [beat]);
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
      ${data.checked.length > 0 && html`<${Rules} checked=${data.checked} />`}`}
  </div>`;
}
