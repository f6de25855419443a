// SPDX-License-Identifier: MIT
// What the pages are put together from.
import { h, render } from "./lib/preact.js";
import { useEffect, useRef, useState } from "./lib/hooks.js";
import htm from "./lib/htm.js";
import { formatAmount } from "./money.js";
import { newOnce } from "./session.js";

export const html = htm.bind(h);
export { render };

export const go = (path) => { location.hash = path; };

// How many items a list asks for at once: on a phone, where each takes several lines, fewer than the
// server's own number. The width is the style sheet's.
export const pageSize = () => matchMedia("(max-width: 640px)").matches ? 20 : undefined;

const absolute = new Intl.DateTimeFormat(undefined, {
  year: "numeric", month: "short", day: "2-digit", hour: "2-digit", minute: "2-digit",
  second: "2-digit", hourCycle: "h23",
});

export const Time = ({ at }) =>
  at ? html`<time datetime=${at} title=${at}>${absolute.format(new Date(at))}</time>` : "–";

export function span(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} days`;
}

export const ago = (at) => `${span(Date.now() - new Date(at))} ago`;

export const Money = ({ minor, currency, sign }) => html`<span class="money ${minor < 0 ? "minus" : ""}">
  ${sign && minor > 0 ? "+" : ""}${formatAmount(minor, currency)} <small>${currency}</small></span>`;

// An id, shortened to what tells it apart; its title has all of it. Other names of principals stay as they are.
export function Id({ id, href }) {
  if (!id) return "–";
  const shown = /^[a-z]+_[0-9a-z]{26}$/.test(id) ? `${id.split("_")[0]}_…${id.slice(-6)}` : id;
  return href
    ? html`<a class="id" href=${href} title=${id}>${shown}</a>`
    : html`<span class="id" title=${id}>${shown}</span>`;
}

export const account = (side) => side.account.startsWith("wallet_")
  ? html`<${Id} id=${side.account} href=${`#/wallets/${side.account}`} />`
  : html`<span class="system">${side.account}</span>`;

const MOODS = { active: "good", open: "good", settled: "good", frozen: "bad", closed: "faint",
  pending: "warn", expired: "faint", voided: "faint", captured: "faint", failed: "bad",
  approved: "good", rejected: "bad", dismissed: "faint", allowed: "good", refused: "bad" };
export const Badge = ({ word, mood }) =>
  html`<span class="badge ${mood || MOODS[word] || ""}">${word}</span>`;

export const Trouble = ({ problem }) => problem && html`<p class="trouble" role="alert">
  ${problem.message}${problem.code && html` <small class="code">${problem.code}</small>`}</p>`;

export const Card = ({ title, aside, children, wide }) => html`<section class="card ${wide ? "wide" : ""}">
  ${title && html`<header><h2>${title}</h2>${aside && html`<span class="aside">${aside}</span>`}</header>`}
  ${children}</section>`;

export const Facts = ({ rows }) => html`<dl class="facts">${rows
  .filter(([, value]) => value !== undefined && value !== null && value !== "")
  .map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;

// A sentence of the server's, whose wallets and transactions can be looked at; times are the page's.
export const Sentence = ({ text }) => text.split(/((?:wallet|txn)_[0-9a-z]{26}|\d{4}-\d\d-\d\dT[\d:.]+Z)/).map((part, i) => i % 2 === 0 ? part
  : /^\d/.test(part) ? html`<${Time} at=${part} />` : html`<${Id} id=${part} href=${`#/${part[0] === "t" ? "transactions" : "wallets"}/${part}`} />`);

// What somebody asked for: amounts as money, what can be looked at as a link, all else as it is.
export const Asked = ({ one }) => html`<${Facts} rows=${Object.entries(one.request || {}).map(([name, value]) => {
  if (name === "amount") return [name, html`<${Money} minor=${value} currency=${one.currency} />`];
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  const page = /^(wallet|txn)_[0-9a-z]{26}$/.exec(text)?.[1];
  return [name, page ? html`<${Id} id=${text} href=${`#/${page === "txn" ? "transactions" : "wallets"}/${text}`} />` : text];
})} />`;

// Who did something, with all that tells apart.
export const Whole = ({ id }) => id && html`<span class="id whole">${id}</span>`;

// What filters ask for: a day begins at midnight where the clocks of this page are.
export const asQuery = (filters) => Object.fromEntries(Object.entries(filters).map(([name, value]) =>
  [name, /^\d{4}-\d\d-\d\d$/.test(value) ? new Date(`${value}T00:00`).toISOString() : value]));

// Grows after every so many milliseconds, while somebody can see the page.
export function useBeat(every) {
  const [beat, setBeat] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => document.hidden || setBeat((was) => was + 1), every);
    return () => clearInterval(timer);
  }, [every]);
  return beat;
}

// Runs `load` (which may take an AbortSignal) whenever one of `when` changes.
export function useLoad(load, when) {
  const [state, setState] = useState({ data: null, problem: null, loading: true });
  const [round, setRound] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    setState((was) => ({ ...was, loading: true }));
    load(stop.signal).then(
      (data) => setState({ data, problem: null, loading: false }),
      (problem) => {
        if (problem.name !== "AbortError") setState({ data: null, problem, loading: false });
      });
    return () => stop.abort();
  }, [...when, round]);
  return { ...state, again: () => setRound((was) => was + 1) };
}

// columns: [[title, item => cell, class], ...]. On a phone its rows become cards, a line for each
// column with its title; with `compact` two columns share a line, and their titles go.
export const Table = ({ items, columns, href, caption, compact, name = (item) => item.id }) => html`<div class="scroll"><table class="cards ${compact ? "compact" : ""}">
  ${caption && html`<caption class="unseen">${caption}</caption>`}
  <thead><tr>${columns.map(([title, , kind]) => html`<th scope="col" class=${kind}>${title}</th>`)}</tr></thead>
  <tbody>${items.map((item) => html`<tr key=${name(item)}>${columns.map(([title, cell, kind], i) =>
    html`<td class=${kind} data-title=${title}>${i === 0 && href
      ? html`<a href=${href(item)}>${cell(item)}</a>` : cell(item)}</td>`)}</tr>`)}</tbody>
</table></div>`;

// A list that grows page by page. `load(cursor, signal)` gives {items, next_cursor}; a page may be
// short or empty although there is more. columns are a table's. With `every` `news(signal)` (live.js)
// is asked after so many milliseconds, while somebody can see the pages, and they are read again.
export function List({ load, when, columns, empty, href, caption, compact, every, news }) {
  const [pages, setPages] = useState({ items: [], next: null, problem: null, loading: true });
  const latest = useRef(null);
  const shown = useRef(0); // pages
  const troubled = useRef(false);
  const fetchPage = async (cursor, before) => {
    const stop = new AbortController();
    latest.current = stop;
    setPages({ items: before, next: null, problem: null, loading: true });
    try {
      const page = await load(cursor, stop.signal);
      if (latest.current !== stop) return;
      latest.current = null;
      shown.current = cursor ? shown.current + 1 : 1;
      setPages({ items: [...before, ...page.items], next: page.next_cursor || null,
        problem: null, loading: false });
    } catch (problem) {
      if (problem.name === "AbortError") return;
      latest.current = null;
      setPages({ items: before, next: null, problem, loading: false });
    }
  };
  // What is shown stays until all of it has come; a look that fails is told, and the next one heals it.
  const lookAgain = async () => {
    if (document.hidden || latest.current) return;
    const stop = new AbortController();
    latest.current = stop;
    try {
      const taken = await news(stop.signal);
      const items = [];
      let next;
      if (!taken && !troubled.current) return;
      for (let i = 0; i < Math.max(1, shown.current) && (i === 0 || next); i++) {
        const page = await load(next, stop.signal);
        items.push(...page.items);
        next = page.next_cursor;
      }
      if (latest.current !== stop) return;
      setPages({ items, next: next || null, problem: null, loading: false });
      taken?.();
    } catch (problem) {
      if (problem.name !== "AbortError") setPages((was) => ({ ...was, problem, loading: false }));
    } finally {
      if (latest.current === stop) latest.current = null;
    }
  };
  useEffect(() => {
    fetchPage(undefined, []);
    const timer = every && setInterval(lookAgain, every);
    return () => { clearInterval(timer); latest.current?.abort(); latest.current = null; };
  }, when);
  const { items, next, problem, loading } = pages;
  troubled.current = problem !== null;
  return html`<div class="list">
    <${Trouble} problem=${problem} />
    ${items.length > 0 && html`<${Table} items=${items} columns=${columns} href=${href} caption=${caption} compact=${compact} />`}
    ${loading && html`<p class="waiting" aria-live="polite">Loading…</p>`}
    ${!loading && !problem && items.length === 0 && !next && html`<p class="waiting">${empty}</p>`}
    ${!loading && next && html`<p class="more"><button onClick=${() => fetchPage(next, items)}>More</button></p>`}
  </div>`;
}

// A form over the page for an action: says what will happen (`children`), asks for what it needs
// (`fields`: {name, label, value, required, hint, options?: [[value, text], ...]}), and shows the refusal if there is one.
export function Action({ title, word, danger, fields = [], children, act, close }) {
  const dialog = useRef(null);
  const once = useRef(newOnce());
  const [values, setValues] = useState(Object.fromEntries(
    fields.map((field) => [field.name, field.value ?? ""])));
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => { dialog.current.showModal(); }, []);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      await act(values, once.current);
      close(true);
    } catch (trouble) {
      // Refused by the rules: the next try is another request. Busy or cut off: the same one.
      if (trouble.http >= 400 && trouble.http < 500) once.current = newOnce();
      setProblem(trouble);
      setBusy(false);
    }
  };
  const change = (name, value) => {
    setValues({ ...values, [name]: value });
    setProblem(null); // it was about other values
  };
  return html`<dialog ref=${dialog} onCancel=${() => close(false)} aria-labelledby="action-title">
    <form onSubmit=${submit}>
      <h2 id="action-title">${title}</h2>
      ${typeof children === "function" ? children(values) : children}
      ${fields.map((field, i) => html`<label>${field.label}
        ${field.options ? html`<select name=${field.name} value=${values[field.name]} autofocus=${i === 0}
          onChange=${(event) => change(field.name, event.target.value)}>
          ${field.options.map(([value, text]) => html`<option value=${value} selected=${value === values[field.name]}>${text}</option>`)}</select>`
        : html`<input name=${field.name} value=${values[field.name]} required=${field.required}
          autofocus=${i === 0} maxlength="255" autocomplete="off" inputmode=${field.inputmode}
          onInput=${(event) => change(field.name, event.target.value)} />`}
        ${field.hint && html`<small>${field.hint}</small>`}</label>`)}
      <${Trouble} problem=${problem} />
      <footer>
        <button type="button" onClick=${() => close(false)}>Cancel</button>
        <button type="submit" class=${danger ? "danger" : "primary"} disabled=${busy}>
          ${busy ? "Working…" : word}</button>
      </footer>
    </form>
  </dialog>`;
}

// A row of filters. fields: {name, label, options?: [[value, text], ...], type?, hint?}.
export function Filters({ fields, values, change, word = "Search" }) {
  const [draft, setDraft] = useState(values);
  useEffect(() => setDraft(values), [JSON.stringify(values)]);
  const set = (name, value) => setDraft({ ...draft, [name]: value });
  return html`<form class="filters" role="search" onSubmit=${(event) => {
    event.preventDefault();
    change(Object.fromEntries(Object.entries(draft).map(([name, value]) => [name, (value ?? "").trim()])));
  }}>
    ${fields.map((field) => html`<label>${field.label}${field.options
      ? html`<select name=${field.name} value=${draft[field.name] ?? ""} onChange=${(event) => set(field.name, event.target.value)}>
          ${field.options.map(([value, text]) => html`<option value=${value}>${text}</option>`)}</select>`
      : html`<input name=${field.name} type=${field.type || "search"} value=${draft[field.name] ?? ""}
          placeholder=${field.hint} autocomplete="off" spellcheck="false"
          onInput=${(event) => set(field.name, event.target.value)} />`}</label>`)}
    <button type="submit" class="primary">${word}</button>
  </form>`;
}
