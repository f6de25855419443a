// SPDX-License-Identifier: MIT
// The operator's page: who is signed in, which page the address names, and the frame around it.
// Pages show what the role may see; the server decides again at every request.
import { useEffect, useRef, useState } from "./lib/hooks.js";
import { html, render, Trouble } from "./parts.js";
import { may, signedIn, signIn, signOut } from "./session.js";
import { Anomalies, Anomaly } from "./pages/anomalies.js";
import { Approval, Approvals } from "./pages/approvals.js";
import { Audit } from "./pages/audit.js";
import { Integrity } from "./pages/integrity.js";
import { Overview } from "./pages/overview.js";
import { Transaction, Transactions } from "./pages/transactions.js";
import { Wallet, Wallets } from "./pages/wallets.js";

// Address, name, permission, page of the list, page of one thing.
const PAGES = [
  ["overview", "Overview", "books:read", Overview],
  ["wallets", "Wallets", "wallets:read", Wallets, Wallet],
  ["transactions", "Transactions", "payments:read", Transactions, Transaction],
  ["anomalies", "Anomalies", "anomalies:read", Anomalies, Anomaly],
  ["approvals", "Approvals", "approvals:read", Approvals, Approval],
  ["audit", "Audit", "audit:read", Audit],
  ["integrity", "Integrity", "books:read", Integrity],
];

// What is not encoded as it should be is taken as it stands: it names nothing, and that is said.
function decoded(part) {
  try { return decodeURIComponent(part); } catch { return part; }
}

// "#/wallets/wallet_…?owner=ann" to its parts.
function readAddress() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [page, id] = path.split("/").map(decoded);
  return { page, id, query: Object.fromEntries(new URLSearchParams(query || "")) };
}

function useAddress() {
  const [address, setAddress] = useState(readAddress());
  useEffect(() => {
    const follow = () => setAddress(readAddress());
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  return address;
}

function useTheme() {
  const [theme, setTheme] = useState(localStorage.getItem("florin-theme") || "");
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
    localStorage.setItem("florin-theme", theme);
  }, [theme]);
  const isDark = theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  return [theme, () => setTheme(isDark ? "light" : "dark"), isDark];
}

function SignIn({ done }) {
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    try {
      done(await signIn(new FormData(event.target).get("key")));
    } catch (trouble) {
      setProblem(trouble.http === 401
        ? { message: "This key opens nothing. Is it whole, and not revoked?" } : trouble);
      setBusy(false);
    }
  };
  return html`<main class="door"><form onSubmit=${submit}>
    <img src="/web/icon.svg" alt="" width="56" height="56" />
    <h1>Florin</h1>
    <label>API key
      <input name="key" type="password" required autofocus autocomplete="current-password" spellcheck="false" />
      <small>The first admin key lies in <code>admin.key</code> in the server's data folder.</small></label>
    <${Trouble} problem=${problem} />
    <button class="primary" disabled=${busy}>${busy ? "Looking…" : "Sign in"}</button>
  </form></main>`;
}

function Frame({ me, leave }) {
  const address = useAddress();
  const [theme, toggleTheme, isDark] = useTheme();
  const main = useRef(null);
  const allowed = PAGES.filter(([, , permission]) => may(permission));
  const current = allowed.find(([name]) => name === address.page) || allowed[0];
  useEffect(() => {
    document.title = current ? `${current[1]} · Florin` : "Florin";
    main.current?.focus({ preventScroll: true });
    scrollTo(0, 0);
    // On a phone the names of the pages are wider than the screen.
    document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [address.page, address.id]);
  const Page = current && (address.id && address.page === current[0] && current[4] ? current[4] : current[3]);
  return html`<div class="frame">
    <a class="skip" href="#content" onClick=${(event) => { event.preventDefault(); main.current.focus(); }}>To the content</a>
    <header class="top">
      <a class="brand" href="#/"><img src="/web/icon.svg" alt="" width="26" height="26" />Florin</a>
      <nav aria-label="Pages">${allowed.map(([name, title]) => html`<a href=${`#/${name}`}
        aria-current=${current[0] === name ? "page" : undefined}>${title}</a>`)}</nav>
      <span class="who"><span class="role" title=${me.id}>${me.role}</span>
        <button class="quiet" onClick=${toggleTheme} aria-label=${isDark ? "Light colours" : "Dark colours"}>${isDark ? "☀" : "☾"}</button>
        <button class="quiet" onClick=${leave}>Sign out</button></span>
    </header>
    <main id="content" ref=${main} tabindex="-1">${Page
      ? html`<${Page} key=${address.page + (address.id || "")} id=${address.id} query=${address.query} theme=${theme} />`
      : html`<p class="waiting">This key's role has nothing to see here; the API is open to it.</p>`}</main>
  </div>`;
}

function App({ first, firstProblem }) {
  const [me, setMe] = useState(first);
  if (firstProblem) return html`<main class="door"><${Trouble} problem=${firstProblem} /></main>`;
  if (!me) return html`<${SignIn} done=${setMe} />`;
  return html`<${Frame} me=${me} leave=${() => { signOut(); location.hash = ""; setMe(null); }} />`;
}

let first = null;
let firstProblem = null;
try {
  first = await signedIn();
} catch (problem) {
  if (problem.http === 401) signOut();
  else firstProblem = problem;
}
const place = document.getElementById("page");
place.textContent = "";
render(html`<${App} first=${first} firstProblem=${firstProblem} />`, place);
