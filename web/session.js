// SPDX-License-Identifier: MIT
// Who is signed in, and every request to the API. The key lives in this tab's session storage, so
// that a reload keeps it and a closed tab forgets it; it travels in a header, never in an address.

const STORED = "florin-key";

let key = sessionStorage.getItem(STORED);
let me = null;

// A refusal of the API: `message` is the sentence for people, `code` the stable word.
export class Problem extends Error {
  constructor(http, document) {
    super(document.detail || document.title || `The server answered ${http}.`);
    this.http = http;
    this.code = document.code || "";
    this.document = document;
  }
}

// Integers beyond 2^53 (totals of many wallets) become BigInt, so that no digit is lost.
function parse(text) {
  return JSON.parse(text, (_, value, context) =>
    typeof value === "number" && !Number.isSafeInteger(value) && context && context.source
      ? BigInt(context.source)
      : value);
}

async function request(method, path, { query = {}, body, headers = {}, signal } = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  const target = given.length ? `${path}?${new URLSearchParams(given)}` : path;
  const options = { method, signal, headers: { ...headers }, cache: "no-store" };
  if (key) options.headers.Authorization = `Bearer ${key}`;
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  try {
    return await fetch(target, options);
  } catch (trouble) {
    if (trouble.name === "AbortError") throw trouble;
    throw new Problem(0, { detail: "The server cannot be reached. Is it running?" });
  }
}

async function ask(method, path, given) {
  const answer = await request(method, path, given);
  const text = await answer.text();
  if (!answer.ok) {
    let document = {};
    try { document = parse(text); } catch { /* not a problem document: its code must do */ }
    if (answer.status === 401 && me) {
      signOut();
      location.reload();
    }
    throw new Problem(answer.status, document);
  }
  return { text, answer };
}

export async function get(path, query, signal) {
  const { text } = await ask("GET", path, { query, signal });
  return parse(text);
}

// Follows what takes long: calls `tell` with each event's data until the one named "result" comes,
// which is returned.
export async function follow(path, query, tell, signal) {
  const answer = await request("GET", path,
    { query, signal, headers: { Accept: "text/event-stream" } });
  if (!answer.ok) throw new Problem(answer.status, parse(await answer.text() || "{}"));
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new Problem(0, { detail: "The connection broke off. Try again." });
    text += value;
    for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
      const [, name, data] = text.slice(0, end).match(/^event: (.*)\ndata: (.*)$/);
      if (name === "result") return parse(data);
      if (name === "problem") throw new Problem(503, parse(data));
      tell(parse(data));
    }
  }
}

export async function getText(path, signal) {
  return (await ask("GET", path, { signal })).text;
}

// A write. `once` is its idempotency key: made when the form is opened, so that pressing twice, or
// again after a broken connection, has one effect.
export async function send(method, path, body, once) {
  const { text } = await ask(method, path,
    { body, headers: { "Idempotency-Key": once } });
  return text ? parse(text) : null;
}

export function newOnce() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return "page-" + Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Asks who the key is. Null when nobody is signed in.
export async function signedIn() {
  if (!key) return null;
  if (!me) me = await get("/v1/me");
  return me;
}

export async function signIn(given) {
  key = given.trim();
  me = null;
  try {
    await signedIn();
  } catch (problem) {
    key = null;
    throw problem;
  }
  sessionStorage.setItem(STORED, key);
  return me;
}

export function signOut() {
  key = null;
  me = null;
  sessionStorage.removeItem(STORED);
}

export const may = (permission) => me !== null && me.permissions.includes(permission);
// How many digits of an amount stand behind the point.
export function exponentOf(currency) {
  const known = me && me.currencies.find((one) => one.currency === currency);
  return known ? known.exponent : 2;
}
