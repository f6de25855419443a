// SPDX-License-Identifier: MIT
// The operator's page in a real browser, as its users meet it. Told by tests/web/page.py:
//   FLORIN_URL, FLORIN_KEYS (role: secret, as JSON), FLORIN_SHOP (ids made by the suite, as JSON),
//   PICTURES (a folder for screenshots, or nothing), FLORIN_DATA (its folder, which is damaged last),
//   FLORIN_DAMAGE (the command that does that, or nothing: its journal is damaged).
// Prints "ok"/"not ok" lines and ends with `N passed, N failed`.
import { execSync } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";

const { chromium } = createRequire(process.env.MODULES + "/")("playwright-core");
const base = process.env.FLORIN_URL;
const keys = JSON.parse(process.env.FLORIN_KEYS);
const shop = JSON.parse(process.env.FLORIN_SHOP);
const PAGE_BYTES_MAX = 200 * 1000;
const FIRST_BYTES_MAX = 20 * 1000;
let passed = 0;
let failed = 0;

function check(name, right, detail = "") {
  if (right) passed += 1;
  else failed += 1;
  console.log(`${right ? "ok" : "not ok"} ${name}${right ? "" : `: ${detail}`}`);
}

async function attempt(name, work) {
  try {
    await work();
  } catch (trouble) {
    check(name, false, String(trouble.message).split("\n").slice(0, 6).join(" | "));
  }
}

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });

// A page that remembers what went wrong in it and where it asked.
async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, ...options });
  const page = await context.newPage();
  page.troubles = [];
  page.asked = [];
  page.on("pageerror", (error) => page.troubles.push(error.message));
  page.on("console", (message) => {
    // A refusal that a test provokes is logged by the browser too.
    if (message.type() === "error" && !/status of 4\d\d/.test(message.text())) page.troubles.push(message.text());
  });
  page.on("request", (request) => page.asked.push(request.url()));
  // What the policy stops is trouble, on every page that is walked below.
  page.violations = [];
  await page.exposeBinding("violated", (_, what) => page.violations.push(what));
  await page.addInitScript(() => document.addEventListener("securitypolicyviolation",
    (event) => window.violated(`${event.effectiveDirective}: ${event.blockedURI}`)));
  context.close = ((close) => async () => {
    if (!page.isClosed()) await page.evaluate(() => 0).catch(() => 0); // what was said has arrived
    if (!page.provokes) check("nothing that the policy forbids", page.violations.length === 0, page.violations.join("; "));
    await close();
  })(context.close.bind(context));
  page.setDefaultTimeout(20000);
  return page;
}

async function signIn(page, role) {
  await page.goto(base + "/");
  await page.fill("input[name=key]", keys[role]);
  await page.keyboard.press("Enter");
  await page.waitForSelector("nav");
}

const PICTURE_HEIGHT_MAX = 900;
// The top of the page, without the empty paper below.
const picture = async (page, name) => {
  if (!process.env.PICTURES) return;
  const { width } = page.viewportSize();
  const end = await page.evaluate(() => document.querySelector("dialog[open]") ? Infinity
    : document.getElementById("content")?.getBoundingClientRect().bottom ?? Infinity);
  await page.screenshot({ path: `${process.env.PICTURES}/${name}.png`, fullPage: end < Infinity,
    clip: { x: 0, y: 0, width, height: Math.min(PICTURE_HEIGHT_MAX, Math.ceil(end)) } });
};
const text = (page, selector = "main") => page.locator(selector).first().innerText();
const visit = (page, address) => page.goto(`${base}/#${address}`);

await attempt("the door", async () => {
  const page = await open();
  await page.goto(base + "/");
  await page.waitForSelector("input[name=key]");
  await picture(page, "sign-in");
  const paint = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime);
  await page.waitForLoadState("networkidle");
  const bytes = await page.evaluate(() => [...performance.getEntriesByType("navigation"),
    ...performance.getEntriesByType("resource")].reduce((sum, one) => sum + one.decodedBodySize, 0));
  console.log(`   first paint after ${Math.round(paint)} ms, ${bytes} bytes in all`);
  check("the first paint was seen", paint > 0, paint);
  // How long it takes is the machine's; what it waits for is not.
  const awaited = await page.evaluate(() => [...performance.getEntriesByType("navigation"),
    ...performance.getEntriesByType("resource").filter((one) => one.renderBlockingStatus === "blocking")]
    .map((one) => [new URL(one.name).pathname, one.decodedBodySize]));
  check("it waits for the page and its two style sheets alone",
    awaited.map(([path]) => path).sort().join() === "/,/web/florin.css,/web/lib/uplot.css", JSON.stringify(awaited));
  check("which are a few thousand bytes", awaited.reduce((sum, [, size]) => sum + size, 0) < FIRST_BYTES_MAX, JSON.stringify(awaited));
  check("whoever has not signed in asks for files alone, and for few", page.asked.length < 30
    && page.asked.every((url) => /^(\/|\/web\/[^?]+)$/.test(url.slice(base.length))), page.asked.join());
  check("the page with all it needs is small", bytes > 50000 && bytes < PAGE_BYTES_MAX, bytes);
  await page.fill("input[name=key]", "florin_admin_wrong");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".trouble");
  check("a wrong key is told so", /opens nothing/.test(await text(page, ".trouble")));
  check("nothing is kept of it", await page.evaluate(() => sessionStorage.length) === 0);
  await page.context().close();
});

// Directive: what it allows. Nothing else is said, and so nothing else is allowed.
const POLICY = {
  "default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "img-src": "'self'", "connect-src": "'self'",
  "base-uri": "'none'", "form-action": "'none'", "frame-ancestors": "'none'",
};

await attempt("the policy of contents", async () => {
  const page = await open();
  page.provokes = true;
  const said = [];
  page.on("response", (response) => said.push([response.url(), response.headers()["content-security-policy"]]));
  await page.goto(base + "/");
  await page.waitForSelector("input[name=key]");
  await page.waitForLoadState("networkidle");
  const wanted = Object.entries(POLICY).map(([name, value]) => `${name} ${value}`).join("; ");
  const files = said.filter(([url]) => new URL(url).pathname === "/" || url.includes("/web/"));
  check("each file says it, and nothing more than it must", files.length > 5 && files.every(([, policy]) => policy === wanted),
    JSON.stringify(files));
  check("nothing unsafe is in it", !/unsafe|\*|data:|blob:|https?:/.test(wanted), wanted);
  const html = await (await page.request.get(base + "/")).text();
  check("no script, style or handler stands in the page itself",
    !/<script(?![^>]*\bsrc=)|<style|\bstyle=|\son\w+=|javascript:/i.test(html), html);
  check("nothing was stopped so far", page.violations.length === 0, page.violations.join("; "));
  // That it holds, and that whoever listens hears of it: a page that does what a text of a customer might try.
  await page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "window.ran = true";
    document.body.append(script);
    document.body.insertAdjacentHTML("beforeend", "<b style='color: red' onclick='window.ran = true'>x</b><style>b { top: 0 }</style>");
    document.querySelector("b").click();
    const form = Object.assign(document.createElement("form"), { action: "/elsewhere", method: "post" });
    document.body.append(form);
    form.submit();
    const frame = Object.assign(document.createElement("iframe"), { src: "/" });
    document.body.append(frame);
    fetch("http://127.0.0.2:9/").catch(() => 0);
    // Not at once: what a debugger runs itself may do that.
    setTimeout(() => { try { new Function("window.ran = true")(); } catch { /* as it should be */ } });
  });
  const stopped = ["script-src-elem", "script-src-attr", "style-src-attr", "style-src-elem", "form-action", "frame-src", "connect-src", "script-src:"];
  for (let i = 0; i < 100 && !stopped.every((name) => page.violations.some((one) => one.startsWith(name))); i++)
    await page.waitForTimeout(100);
  for (const name of stopped)
    check(`stopped: ${name.replace(":", " (eval)")}`, page.violations.some((one) => one.startsWith(name)), page.violations.join("; "));
  check("none of it ran", await page.evaluate(() => window.ran === undefined));
  await page.context().close();
});

await attempt("the overview", async () => {
  const page = await open();
  await signIn(page, "admin");
  await page.waitForSelector(".tile");
  check("money of each currency", /USD in \d+ wallets?/.test(await text(page)), await text(page));
  check("amounts with their point", (await text(page)).includes(shop.total), await text(page));
  const first = await page.waitForFunction(() => document.querySelector(".aside")?.textContent.includes("/s now"));
  await page.waitForFunction(() => document.querySelectorAll(".chart canvas").length === 2);
  check("charts are there", first);
  const before = await page.locator(".chart canvas").first().evaluate((canvas) => canvas.toDataURL());
  let moved = false;
  for (let i = 0; i < 10 && !moved; i++) {
    for (let j = 0; j < 20; j++)
      await page.request.post(base + "/v1/transfers", { headers: { Authorization: `Bearer ${keys.admin}` },
        data: { from: shop.customer, to: shop.friend, amount: 1 } });
    await page.waitForTimeout(1500);
    moved = before !== await page.locator(".chart canvas").first().evaluate((canvas) => canvas.toDataURL());
  }
  check("charts move", moved);
  const rate = await page.waitForFunction(() => {
    const found = /([\d.]+)\/s now/.exec(document.body.innerText);
    return found && Number(found[1]) > 0;
  });
  check("payments are counted", await rate.jsonValue());
  const post = async (path, data) => (await page.request.post(base + path,
    { headers: { Authorization: `Bearer ${keys.admin}` }, data })).json();
  const rush = (await post("/v1/wallets", { owner: "rush", currency: "USD" })).id;
  const { results } = await post("/v1/batches", { operations: Array.from({ length: 5000 },
    (_, i) => ({ type: "deposit", wallet: rush, amount: 1, bank_transaction_id: `rush-${i}` })) });
  await page.waitForFunction(() => Number(/([\d.]+)( k)?\/s now/.exec(document.body.innerText)?.[1]) > 40
    || / k\/s now/.test(document.body.innerText));
  check("each of a batch by itself", results.length === 5000 && results.every((one) => one.id), results.length);
  check("health is told", /Server\s*ready\s+Store\s*ok/.test(await text(page)), await text(page));
  await page.waitForFunction(() => /4 wait for a decision\.\s+3 held, 1 flagged\./.test(document.body.innerText));
  check("anomalies that wait are counted", true);
  check("those that hold money come first", await page.getByRole("link", { name: "The review queue" })
    .getAttribute("href") === "#/anomalies?action=hold");
  check("whether the books are right, and since when", /checked \d+ (s|min) ago\s+The running totals add up/.test(await text(page)), await text(page));
  if (process.env.PICTURES) await page.reload(); // without the batch, beside which nothing is seen
  for (let i = 0; process.env.PICTURES && i < 120; i++) { // a life that can be seen
    for (let j = 0; j < 6 + 5 * Math.sin(i / 9) + 3 * Math.random(); j++)
      await page.request.post(base + "/v1/transfers", { headers: { Authorization: `Bearer ${keys.admin}` },
        data: { from: j % 2 ? shop.friend : shop.customer, to: j % 2 ? shop.customer : shop.friend,
          amount: 1 + Math.floor(20000 * Math.random()) } });
    await page.waitForTimeout(300);
  }
  await picture(page, "overview");
  check("the key stands in no address", page.asked.every((url) => !url.includes(keys.admin) && !url.includes("florin_")));
  check("nobody else is asked", page.asked.every((url) => url.startsWith(base)), page.asked.filter((url) => !url.startsWith(base)));
  await page.reload();
  check("a reload keeps the session", await page.waitForSelector(".tile") !== null);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.waitForSelector("input[name=key]");
  check("signing out forgets it", await page.evaluate(() => sessionStorage.length) === 0);
  check("no trouble in the console", page.troubles.length === 0, page.troubles.join("; "));
  await page.context().close();
});

await attempt("a wallet is found, frozen and made active", async () => {
  const page = await open();
  await signIn(page, "admin");
  await page.getByRole("link", { name: "Wallets" }).click();
  await page.waitForSelector("tbody tr");
  await picture(page, "wallets");
  await page.fill("input[name=owner]", shop.owner);
  await page.keyboard.press("Enter");
  await page.waitForFunction((owner) => document.querySelectorAll("tbody tr").length === 1
    && document.querySelector("tbody tr").innerText.includes(owner), shop.owner);
  check("found by owner", true);
  await page.fill("input[name=owner]", shop.customer);
  await page.keyboard.press("Enter");
  await page.waitForSelector(".chart canvas");
  check("found by id", page.url().includes(shop.customer));
  check("its balance", /Balance\s+[\d,.]+ USD/.test(await text(page)), await text(page));
  await page.waitForSelector("tbody tr");
  await picture(page, "wallet");
  await page.getByRole("button", { name: "Freeze" }).click();
  await page.waitForSelector("dialog[open]");
  check("the action repeats the wallet and its money", (await text(page, "dialog")).includes(shop.owner)
    && /[\d,.]+ USD/.test(await text(page, "dialog")), await text(page, "dialog"));
  await page.keyboard.press("Escape");
  await page.waitForSelector("dialog", { state: "detached" });
  check("Escape does nothing else", (await text(page)).includes("active"));
  await page.getByRole("button", { name: "Freeze" }).click();
  await page.request.post(base + "/v1/transfers", { headers: { Authorization: `Bearer ${keys.admin}` },
    data: { from: shop.customer, to: shop.friend, amount: 1 } });
  await page.fill("dialog input[name=reason]", "stolen card");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Make active" }).waitFor();
  const wallet = await (await page.request.get(`${base}/v1/wallets/${shop.customer}`,
    { headers: { Authorization: `Bearer ${keys.admin}` } })).json();
  check("it is frozen in the books, although it was just paying", wallet.status === "frozen", wallet.status);
  await page.getByRole("button", { name: "Make active" }).click();
  await page.fill("dialog input[name=reason]", "card found");
  await page.locator("dialog button[type=submit]").click();
  await page.getByRole("button", { name: "Freeze" }).waitFor();
  check("and active again", true);
  check("no trouble in the console", page.troubles.length === 0, page.troubles.join("; "));
  await page.context().close();
});

await attempt("what a wallet may spend is shown and changed", async () => {
  const auditor = await open({ viewport: { width: 390, height: 844 } });
  await signIn(auditor, "auditor");
  await visit(auditor, `/wallets/${shop.bakery}`);
  await auditor.waitForSelector("text=375.00 USD left");
  const wide = await auditor.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  check("limits fit a phone", wide <= 0, `${wide} pixels too wide`);
  await auditor.locator("text=Spending limits").scrollIntoViewIfNeeded();
  if (process.env.PICTURES) await auditor.screenshot({ path: `${process.env.PICTURES}/phone-limits.png` });
  check("who may not change them sees no button", await auditor.getByRole("button", { name: "Change tier" }).count() === 0);
  await visit(auditor, `/wallets/${shop.customer}`);
  await auditor.waitForSelector(".chart canvas");
  check("wallets without limits say nothing of them", !(await text(auditor)).includes("Spending limits"));
  await auditor.context().close();
  const page = await open();
  await signIn(page, "admin");
  await visit(page, `/wallets/${shop.bakery}`);
  await page.waitForSelector(".limits progress");
  check("at once, today and this month", /At once\s+at most 750\.00 USD[^]*Today\s+625\.00 USD of 1,000\.00 USD[^]*375\.00 USD left; begins anew on[^]*This month\s+625\.00 USD of 10,000\.00 USD/.test(
    await text(page)), await text(page));
  check("a bar for those that fill up", await page.locator(".limits progress").first().evaluate((bar) => bar.value / bar.max) === 0.625);
  await page.waitForSelector(".chart canvas");
  await picture(page, "limits");
  await page.getByRole("button", { name: "Change tier" }).click();
  await page.waitForSelector("dialog[open]");
  check("the action repeats the wallet and its money", /bakery/.test(await text(page, "dialog"))
    && /875\.00|1,500\.00 USD/.test(await text(page, "dialog")), await text(page, "dialog"));
  const choices = await page.locator("dialog select option").allInnerTexts();
  check("tiers say what they allow", choices.join("; ") === "No tier: 750.00 at once, 1,000.00 a day, 10,000.00 a month; Tier 2: 5,000.00 a day", choices.join("; "));
  await page.selectOption("dialog select", "2");
  await page.fill("dialog input[name=reason]", "it sells to restaurants");
  await picture(page, "tier");
  await page.locator("dialog button[type=submit]").click();
  await page.waitForSelector("dialog", { state: "detached" });
  await page.waitForSelector("text=4,375.00 USD left");
  check("another tier, and what was spent stays spent", /Tier 2/.test(await text(page)) && /625\.00 USD of 5,000\.00 USD/.test(await text(page)), await text(page));
  const wallet = await (await page.request.get(`${base}/v1/wallets/${shop.bakery}`,
    { headers: { Authorization: `Bearer ${keys.admin}` } })).json();
  check("so it is in the books", wallet.tier === 2, wallet.tier);
  check("no trouble in the console", page.troubles.length === 0, page.troubles.join("; "));
  await page.context().close();
});

await attempt("a purchase is found and refunded", async () => {
  const page = await open();
  await signIn(page, "admin");
  await visit(page, "/transactions");
  await page.fill("input[name=order]", shop.order);
  await page.keyboard.press("Enter");
  await page.waitForFunction((order) => document.querySelectorAll("tbody tr").length === 1
    && document.querySelector("tbody tr").innerText.includes(order), shop.order);
  await picture(page, "transactions");
  await page.locator("tbody a").first().click();
  await page.getByRole("button", { name: "Refund" }).click();
  await page.waitForSelector("dialog[open]");
  check("the refund repeats amount and wallets", /20\.00 USD/.test(await text(page, "dialog"))
    && (await text(page, "dialog")).includes(shop.owner), await text(page, "dialog"));
  await page.fill("dialog input[name=amount]", "20.001");
  await page.fill("dialog input[name=reason]", "too many digits");
  await page.locator("dialog button[type=submit]").click();
  check("an amount that is none is told", /is no amount/.test(await text(page, "dialog .trouble")));
  await page.fill("dialog input[name=amount]", "21");
  await page.locator("dialog button[type=submit]").click();
  await page.waitForFunction(() => /refund_exceeds_purchase/.test(document.querySelector("dialog .trouble")?.innerText));
  check("a refusal of the rules is told in words", (await text(page, "dialog .trouble")).length > 40);
  await page.fill("dialog input[name=amount]", "5.50");
  check("and goes when another amount is asked for", await page.locator("dialog .trouble").count() === 0);
  await page.fill("dialog input[name=reason]", "one item broken");
  await picture(page, "refund");
  await page.locator("dialog button[type=submit]").click();
  await page.waitForSelector("dialog", { state: "detached" });
  await page.waitForFunction(() => document.querySelector("main").innerText.includes("one item broken"));
  check("the refund stands on the page", /5\.50 USD of\s+20\.00 USD/.test(await text(page)), await text(page));
  const purchase = await (await page.request.get(`${base}/v1/transactions/${shop.purchase}`,
    { headers: { Authorization: `Bearer ${keys.admin}` } })).json();
  check("and in the books", purchase.refunded === 550, JSON.stringify(purchase));
  check("no trouble in the console", page.troubles.length === 0, page.troubles.join("; "));
  await page.context().close();
});

const card = (page, title) => page.locator("section.card").filter({ has: page.getByRole("heading", { name: title, exact: true }) });

const cardRows = (page, title, count) => page.waitForFunction(([name, wanted]) => {
  const found = [...document.querySelectorAll("section.card")].find((one) => one.querySelector("h2")?.innerText === name);
  return found?.querySelectorAll("tbody tr").length === wanted;
}, [title, count]);

await attempt("the life of one wallet", async () => {
  const page = await open();
  await signIn(page, "auditor");
  await visit(page, `/wallets/${shop.customer}`);
  await page.waitForSelector(".chart canvas");
  const history = card(page, "History");
  await history.locator("tbody tr").first().waitFor();
  await history.locator("select[name=type]").selectOption("deposit");
  await history.getByRole("button", { name: "Filter" }).click();
  await cardRows(page, "History", 12);
  const rows = await history.locator("tbody tr").allInnerTexts();
  check("its history is filtered by type", rows.every((row) => /deposit\s+external:USD\s+bank-\d+\s+\+1,[\d.]+ USD\s+[\d,.]+ USD/.test(row)), rows.join("; "));
  const inDays = (days) => new Date(Date.now() + days * 86400000).toISOString().slice(0, 10);
  await history.locator("input[name=from]").fill(inDays(2));
  await history.getByRole("button", { name: "Filter" }).click();
  await history.getByText("No transaction matches.").waitFor();
  await history.locator("input[name=from]").fill(inDays(-2));
  await history.locator("input[name=to]").fill(inDays(2));
  await history.getByRole("button", { name: "Filter" }).click();
  await cardRows(page, "History", 12);
  check("and by time", true);
  await cardRows(page, "Holds", 2);
  const holds = await card(page, "Holds").innerText();
  check("what is held, and what was", /open[^]*order-1008\s+42\.00 USD\s+42\.00 USD/.test(holds)
    && /captured[^]*order-1009\s+33\.00 USD\s+0\.00 USD/.test(holds), holds);
  const withdrawals = await card(page, "Withdrawals").innerText();
  check("what was withdrawn", /15\.00 USD/.test(withdrawals), withdrawals);
  check("no trouble in the console", page.troubles.length === 0, page.troubles.join("; "));
  await page.context().close();
});

await attempt("transactions are found by bank id and by who made them", async () => {
  const page = await open();
  await signIn(page, "auditor");
  await visit(page, "/transactions");
  await page.fill("input[name=bank_transaction_id]", "bank-3");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 1
    && /bank-3\s+1,093\.00 USD/.test(document.querySelector("tbody tr").innerText));
  check("found by bank id", true);
  await page.locator("tbody a").first().click();
  await page.waitForSelector(".facts");
  await page.waitForFunction((owner) => document.querySelector("main").innerText.includes(owner), shop.owner);
  const deposit = await text(page);
  check("with both postings", /Debit\s+external:USD\s+Credit\s+ann-marie\s+wallet_\S+\s+balance after: [\d,.]+ USD · version \d+/.test(deposit), deposit);
  check("who and when", /When\s+\S[^]*Initiated by\s+key_[0-9a-z]{26}/.test(deposit), deposit);
  await visit(page, "/transactions");
  await page.fill("input[name=bank_transaction_id]", "");
  await page.fill("input[name=initiated_by]", shop.service_key);
  await page.keyboard.press("Enter");
  const its = (await (await page.request.get(`${base}/v1/transactions?initiated_by=${shop.service_key}`,
    { headers: { Authorization: `Bearer ${keys.admin}` } })).json()).items.length;
  await page.waitForFunction((count) => document.querySelectorAll("tbody tr").length === count
    && document.querySelector("tbody").innerText.includes("by-service"), its);
  check("found by principal", its >= 1 && its < 5, its);
  await visit(page, `/transactions/${shop.capture}`);
  await page.waitForSelector("text=Captured from a hold");
  await card(page, "Captured from a hold").locator(".facts").waitFor();
  const captured = await card(page, "Captured from a hold").innerText();
  check("a capture shows its hold", /Held\s+33\.00 USD\s+Captured\s+30\.00 USD\s+Remaining\s+0\.00 USD/.test(captured), captured);
  check("no trouble in the console", page.troubles.length === 0, page.troubles.join("; "));
  await page.context().close();
});

await attempt("amounts have the digits of their currency", async () => {
  const page = await open();
  const headers = { Authorization: `Bearer ${keys.admin}` };
  const post = async (path, data) => (await page.request.post(base + path, { headers, data })).json();
  const wallet = (await post("/v1/wallets", { owner: "kyoko", currency: "JPY" })).id;
  const merchant = (await post("/v1/wallets", { owner: "kiosk", currency: "JPY", kind: "merchant" })).id;
  await post("/v1/deposits", { wallet, amount: 54321, bank_transaction_id: "kyoko-1" });
  const hold = (await post("/v1/holds", { wallet, merchant, amount: 3300 })).id;
  const { id } = await post(`/v1/holds/${hold}/capture`, { amount: 3000, final: false });
  await signIn(page, "admin");
  await visit(page, `/wallets/${wallet}`);
  await cardRows(page, "Holds", 1);
  const all = await text(page);
  check("of a wallet without cents", /Balance\s+51,321 JPY/.test(all) && /Held\s+300 JPY/.test(all), all);
  await visit(page, `/transactions/${id}`);
  await card(page, "Captured from a hold").locator(".facts").waitFor();
  const captured = await card(page, "Captured from a hold").innerText();
  check("and of its hold", /Held\s+3,300 JPY\s+Captured\s+3,000 JPY\s+Remaining\s+300 JPY/.test(captured), captured);
  check("no trouble in the console", page.troubles.length === 0, page.troubles.join("; "));
  await page.context().close();
});

await attempt("an address that is none", async () => {
  const page = await open();
  await signIn(page, "admin");
  await visit(page, "/wallets/%");
  await page.waitForSelector(".trouble");
  check("is told in words", (await text(page, ".trouble")).length > 20, await text(page, ".trouble"));
  await page.reload();
  await page.waitForSelector(".trouble");
  check("also to who comes by it", (await text(page, "nav")).includes("Overview"));
  check("no trouble in the console", page.troubles.length === 0, page.troubles.join("; "));
  await page.context().close();
});

await attempt("the check of the books", async () => {
  const page = await open();
  await signIn(page, "auditor");
  await visit(page, "/integrity");
  await page.waitForSelector(".verdict.good");
  check("the sums are told at once", (await text(page)).includes("from the totals that every commit keeps"));
  await page.evaluate(() => {
    window.seen = new Set();
    new MutationObserver(() => document.querySelectorAll("progress").forEach((one) => window.seen.add(one.value)))
      .observe(document.body, { childList: true, subtree: true, attributes: true });
  });
  await page.getByRole("button", { name: "Check everything now" }).click();
  await page.waitForSelector("text=every record from the first was added up");
  check("its progress was shown", await page.evaluate(() => window.seen.size > 0));
  await page.waitForSelector("button:not([disabled]) >> text=Check everything now");
  check("the rules are listed", (await page.locator("tbody tr").count()) >= 9);
  await page.reload();
  await page.waitForSelector(".verdict.good");
  const verdict = await text(page, ".verdict");
  check("times are written as people do", /at [A-Z][a-z]{2} \d\d, \d{4}, \d\d:\d\d:\d\d a recount/.test(verdict), verdict);
  await page.getByRole("button", { name: "Check everything now" }).click();
  await page.waitForSelector("text=every record from the first was added up");
  await picture(page, "integrity");
  check("no trouble in the console", page.troubles.length === 0, page.troubles.join("; "));
  await page.context().close();
});

await attempt("the recount in the background", async () => {
  const page = await open();
  await signIn(page, "auditor");
  await page.route("**/check-integrity", async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, body: JSON.stringify({ ...await answer.json(),
      recounts: { count: 3, finished_at: "2026-01-02T03:04:05.678Z", took_ms: 9, progress: 437 } }) });
  });
  await visit(page, "/integrity");
  await page.waitForSelector("text=The present one has come to 43 %.");
  check("says how far it is, and when the last one ended", /The last recount in the background ended Jan 0[12], 2026/.test(await text(page)), await text(page));
  await page.context().close();
});

// Shards are elsewhere; here the server is made to say so.
await attempt("what is under way between shards", async () => {
  for (const [place, viewport] of [["a phone", { width: 390, height: 844 }], ["a desk", { width: 1280, height: 860 }]]) {
    const page = await open({ viewport });
    await page.clock.install();
    await signIn(page, "auditor");
    let flights = [{ currency: "USD", amount: 123456, payments: 1250, age_ms: 40 }];
    await page.route("**/check-integrity", async (route) => {
      const answer = await route.fetch();
      await route.fulfill({ response: answer, body: (await answer.text()).replace('"in_flight":[]', `"in_flight":${JSON.stringify(flights)
        .replace('"huge"', "900719925474099301")}`) });
    });
    await visit(page, "/integrity");
    const card = page.locator("section.card", { hasText: "Under way between shards" });
    await card.waitFor();
    const said = async () => (await card.innerText()).replace(/\s+/g, " ");
    check(`${place}: how many payments, their amount and their age are shown`,
      /USD.*1,250.*1,234\.56.*under 1 s/.test(await said()), await said());
    check(`${place}: that it is no difference`, /is no difference/.test(await said()) && await card.locator(".bad").count() === 0, await said());
    flights = [{ currency: "USD", amount: "huge", payments: 3, age_ms: 9999 },
      { currency: "EUR", amount: 5, payments: 1, age_ms: 10000 }, { payments: 2, age_ms: 7265000 }];
    await page.reload();
    await card.waitFor();
    const rows = (await card.locator("tbody tr").allInnerTexts()).map((row) => row.replace(/\s+/g, " "));
    check(`${place}: each currency, and what nobody has decided`, rows.length === 3 && /9,007,199,254,740,993\.01/.test(rows[0])
      && /0\.05/.test(rows[1]) && /not decided yet.*–.*2 h/.test(rows[2]), rows.join("; "));
    check(`${place}: what takes more than ten seconds is a finding`,
      rows.map((row) => /finding/.test(row)).join() === "false,true,true" && await card.locator("td .badge.bad").count() === 2, rows.join("; "));
    check(`${place}: and it says what that means`, /a shard cannot be asked/.test(await said()), await said());
    const wide = await page.evaluate(() => Math.max(...[document.documentElement, ...document.querySelectorAll(".card, .scroll")]
      .map((one) => one.scrollWidth - one.clientWidth)));
    check(`${place}: all of it fits`, wide <= 0, `${wide} pixels too wide`);
    if (process.env.PICTURES) await page.screenshot({ path: `${process.env.PICTURES}/under-way-${viewport.width}.png`, fullPage: true });
    flights = [];
    await letGoBy(page, 1, 10);
    await card.waitFor({ state: "detached" });
    check(`${place}: it goes when all has arrived, ten seconds behind a finding`, /The running totals add up/.test(await text(page)), await text(page));
    check(`${place}: no trouble in the console`, page.troubles.length === 0, page.troubles.join("; "));
    await page.context().close();
  }
});

await attempt("what is shown follows the role", async () => {
  const page = await open();
  await signIn(page, "auditor");
  await visit(page, `/wallets/${shop.customer}`);
  await page.waitForSelector(".chart canvas");
  check("an auditor is offered no freezing", (await page.getByRole("button", { name: "Freeze" }).count()) === 0);
  await visit(page, `/transactions/${shop.purchase}`);
  await page.waitForSelector(".tile");
  check("an auditor is offered no refund", (await page.getByRole("button", { name: "Refund" }).count()) === 0);
  await page.context().close();
});

await attempt("four eyes", async () => {
  const page = await open();
  await signIn(page, "admin");
  await page.getByRole("link", { name: "Approvals" }).click();
  await page.waitForSelector("tbody tr");
  check("what waits is listed", /pending/.test(await text(page)) && /12\.34 USD/.test(await text(page)), await text(page));
  await visit(page, `/approvals/${shop.approval}`);
  await page.getByRole("button", { name: "Approve" }).click();
  await page.waitForSelector("dialog[open]");
  check("approving repeats what it is about", /12\.34 USD/.test(await text(page, "dialog")), await text(page, "dialog"));
  await page.locator("dialog button[type=submit]").click();
  await page.waitForSelector("dialog", { state: "detached" });
  await page.waitForFunction(() => document.querySelector("main").innerText.includes("approved"));
  const friend = await (await page.request.get(`${base}/v1/wallets/${shop.friend}`,
    { headers: { Authorization: `Bearer ${keys.admin}` } })).json();
  check("and the money has come", friend.balance >= 1234, JSON.stringify(friend));
  await picture(page, "approval");
  check("no trouble in the console", page.troubles.length === 0, page.troubles.join("; "));
  await page.context().close();
});

// Opens an anomaly, presses what is to be done, and returns what the dialog says before it happens.
async function consider(page, anomaly, word) {
  await visit(page, `/anomalies/${anomaly}`);
  await page.getByRole("button", { name: word }).click();
  await page.waitForFunction(() => document.querySelector("dialog[open]")?.innerText.includes("carol"));
  return text(page, "dialog");
}

async function decide(page, comment, becomes) {
  await page.fill("dialog input[name=comment]", comment);
  await page.locator("dialog button[type=submit]").click();
  await page.waitForSelector("dialog", { state: "detached" });
  await page.waitForFunction((word) => document.querySelector("main .badge")?.innerText === word, becomes);
}

const read = async (page, path) => (await page.request.get(base + path,
  { headers: { Authorization: `Bearer ${keys.admin}` } })).json();

const rows = (page, count) => page.waitForFunction(
  (wanted) => document.querySelectorAll("tbody tr").length === wanted, count);

const firstScore = (page, score) => page.waitForFunction(
  (wanted) => document.querySelector("td[data-title=Score]")?.innerText === wanted, score);

async function sortedByScore(page) {
  const scores = () => page.locator("td[data-title=Score]").allInnerTexts();
  check("the newest stands first", (await scores()).join() === "70,85,85,85", (await scores()).join());
  await page.selectOption("select[name=order]", "score");
  await page.getByRole("button", { name: "Search" }).click();
  await firstScore(page, "85");
  check("or the highest score", (await scores()).join() === "85,85,85,70", (await scores()).join());
  check("what is waited for is kept", (await text(page, "tbody")).match(/waiting/g).length === 4);
}

// What comes and goes while somebody looks, without a hand on anything.
async function refreshesItself(page, { wallet }) {
  const asked = { headers: { Authorization: `Bearer ${keys.service}` },
    data: { from: wallet, to: shop.friend, amount: 40001 } };
  const one = await (await page.request.post(`${base}/v1/transfers`, asked)).json();
  await rows(page, 5);
  check("a new one comes by itself", /400\.01 USD/.test(await text(page, "tbody")), await text(page, "tbody"));
  await page.request.post(`${base}/v1/anomalies/${one.id}/reject`,
    { headers: { Authorization: `Bearer ${keys.admin}` }, data: {} });
  await rows(page, 4);
  check("and leaves when somebody else has decided", !/400\.01 USD/.test(await text(page, "tbody")), await text(page, "tbody"));
  await page.selectOption("select[name=order]", "");
  await page.getByRole("button", { name: "Search" }).click();
  await firstScore(page, "70");
}

await attempt("the review queue", async () => {
  const page = await open();
  await signIn(page, "operator");
  const { anomalies } = shop;
  await page.getByRole("link", { name: "Anomalies" }).click();
  await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 4);
  const queue = await text(page, "tbody");
  check("who opened it sees what waits, held or flagged", (queue.match(/waiting/g) || []).length === 4, queue);
  check("it tells why, the rule, the score and the amount", /Transfer of 456\.78 USD/.test(queue)
    && /large-transfer\s+85\s+held\s+waiting/.test(queue) && /fresh-withdrawal\s+70\s+flagged\s+waiting/.test(queue), queue);
  await picture(page, "anomalies");
  await sortedByScore(page);
  await refreshesItself(page, anomalies);
  await page.fill("input[name=rule]", "fresh-withdrawal");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 1);
  check("it is filtered by rule", /the first withdrawal/.test(await text(page, "tbody")) && /314\.15 USD/.test(await text(page, "tbody")), await text(page, "tbody"));

  const approving = await consider(page, anomalies.approve, "Approve");
  check("approving repeats amount and wallet", /432\.10 USD/.test(approving) && approving.includes("carol")
    && approving.includes(anomalies.wallet.slice(-6)), approving);
  await page.locator(".chart canvas").waitFor();
  check("the wallet's recent life is a chart", (await page.locator(".chart canvas").count()) === 1);
  await page.keyboard.press("Escape");
  await page.waitForSelector("dialog", { state: "detached" });
  check("Escape decides nothing", (await read(page, `/v1/anomalies/${anomalies.approve}`)).status === "pending");
  await picture(page, "anomaly");
  await consider(page, anomalies.approve, "Approve");
  const before = (await read(page, `/v1/wallets/${shop.friend}`)).balance;
  await decide(page, "called her", "approved");
  const friend = await read(page, `/v1/wallets/${shop.friend}`);
  check("approved, the money has come", friend.balance === before + 43210, `${before}, ${friend.balance}`);
  check("with who and why", /amount\s+432\.10 USD/.test(await text(page, ".grid")) && /called her/.test(await text(page)) && /Decided by\s+key_/.test(await text(page)), await text(page));
  check("nothing is left to decide", (await page.getByRole("button", { name: /Approve|Reject|Dismiss/ }).count()) === 0);

  const held = (await read(page, `/v1/wallets/${anomalies.wallet}`)).held;
  const rejecting = await consider(page, anomalies.reject, "Reject");
  check("rejecting repeats amount and wallet", /456\.78 USD/.test(rejecting) && rejecting.includes("carol"), rejecting);
  await picture(page, "reject");
  await decide(page, "not her voice", "rejected");
  const freed = await read(page, `/v1/wallets/${anomalies.wallet}`);
  check("rejected, the money is free", freed.held === held - 45678, `${held}, ${freed.held}`);

  const dismissing = await consider(page, anomalies.dismiss, "Dismiss");
  check("dismissing repeats amount and wallet", /314\.15 USD/.test(dismissing) && dismissing.includes("carol"), dismissing);
  check("what is flagged is neither approved nor rejected", (await page.locator("button", { hasText: /^\s*(Approve|Reject)\s*$/ }).count()) === 0);
  await decide(page, "her landlord", "dismissed");
  check("dismissed in the books", (await read(page, `/v1/anomalies/${anomalies.dismiss}`)).comment === "her landlord");

  await page.getByRole("link", { name: "What else waits" }).click();
  await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 1
    && document.querySelector("tbody").innerText.includes("404.04 USD"));
  check("what is decided has left the queue", true);
  await page.selectOption("select[name=status]", "dismissed");
  await page.getByRole("button", { name: "Search" }).click();
  await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 1
    && /flagged\s+dismissed/.test(document.querySelector("tbody").innerText));
  await page.selectOption("select[name=status]", "any");
  await page.getByRole("button", { name: "Search" }).click();
  await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 5
    && ["approved", "rejected", "dismissed", "waiting"].every((word) => document.querySelector("tbody").innerText.includes(word)));
  check("and is found by its status", true);
  check("no trouble in the console", page.troubles.length === 0, page.troubles.join("; "));
  await page.context().close();
});

await attempt("what a wallet's held money is", async () => {
  const page = await open();
  await signIn(page, "auditor");
  await visit(page, `/wallets/${shop.anomalies.wallet}`);
  await cardRows(page, "Held until somebody decides", 1);
  const held = await card(page, "Held until somebody decides").innerText();
  check("a payment that waits for somebody stands on its wallet's page", /Transfer of 404\.04 USD[^]*large-transfer\s+404\.04 USD/.test(held), held);
  await card(page, "Holds").getByText("No hold was ever opened.").waitFor();
  check("which says nothing else of it", true);
  await card(page, "Held until somebody decides").locator("a").click();
  await page.waitForSelector("text=As it was asked");
  check("and leads to it", page.url().includes(shop.anomalies.own));
  await visit(page, `/wallets/${shop.friend}`);
  await page.waitForSelector(".chart canvas");
  check("others have no such card", await card(page, "Held until somebody decides").count() === 0);
  check("no trouble in the console", page.troubles.length === 0, page.troubles.join("; "));
  await page.context().close();
});

await attempt("who decides on anomalies", async () => {
  const page = await open();
  await signIn(page, "admin");
  await consider(page, shop.anomalies.own, "Approve");
  await page.locator("dialog button[type=submit]").click();
  await page.waitForFunction(() => /second_principal_needed/.test(document.querySelector("dialog .trouble")?.innerText));
  check("nobody approves what he asked for, told in words", (await text(page, "dialog .trouble")).length > 60);
  await page.context().close();
  const reader = await open();
  await signIn(reader, "auditor");
  await visit(reader, `/anomalies/${shop.anomalies.own}`);
  await reader.waitForSelector(".chart canvas");
  check("an auditor reads and is offered nothing to decide",
    (await reader.getByRole("button", { name: /Approve|Reject|Dismiss/ }).count()) === 0);
  check("no trouble in the console", reader.troubles.length === 0, reader.troubles.join("; "));
  await reader.context().close();
});

await attempt("a day begins at midnight where one looks", async () => {
  const setup = await open();
  const found = (await read(setup, "/v1/transactions?bank_transaction_id=bank-3")).items[0];
  await setup.context().close();
  const fromOf = (answer) => new URL(answer.url()).searchParams.get("from");
  for (const timezoneId of ["Etc/GMT+12", "Pacific/Kiritimati"]) { // the last place and the first
    const page = await open({ timezoneId });
    let last = null;
    await signIn(page, "auditor");
    const day = (more) => page.evaluate(([at, days]) => new Intl.DateTimeFormat("sv-SE").format(
      new Date(new Date(at).getTime() + days * 86400000)), [found.created_at, more]);
    const count = async (address, from, to) => {
      await visit(page, address);
      await page.locator("input[name=from]").fill(await day(from));
      await page.locator("input[name=to]").fill(await day(to));
      const [answer] = await Promise.all([page.waitForResponse((one) => fromOf(one) !== null && fromOf(one) !== last),
        page.locator("form.filters button").click()]);
      last = fromOf(answer);
      return (await answer.json()).items.length;
    };
    for (const address of ["/transactions?bank_transaction_id=bank-3", `/wallets/${shop.customer}`,
      `/anomalies?status=any&wallet=${shop.anomalies.wallet}`, "/audit?operation=deposit"]) {
      check(`${timezoneId}: ${address.slice(0, 14)} of that day`, await count(address, 0, 1) > 0);
      check(`${timezoneId}: ${address.slice(0, 14)} of the day before has none`, await count(address, -1, 0) === 0);
    }
    check("no trouble in the console", page.troubles.length === 0, page.troubles.join("; "));
    await page.context().close();
  }
});

await attempt("the audit", async () => {
  const page = await open();
  await signIn(page, "auditor");
  await page.getByRole("link", { name: "Audit" }).click();
  await page.waitForSelector("tbody tr");
  await page.selectOption("select[name=outcome]", "unauthenticated");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Search" }).click();
  await page.waitForFunction(() => [...document.querySelectorAll("tbody tr")].length > 0
    && [...document.querySelectorAll("tbody tr")].every((row) => row.innerText.includes("unauthenticated")));
  check("the wrong key of before stands there", true);
  await visit(page, `/audit?operation=refund`);
  await page.waitForFunction(() => [...document.querySelectorAll("tbody tr")].some((row) => row.innerText.includes("ok")));
  check("and the refund", true);
  await picture(page, "audit");
  check("no trouble in the console", page.troubles.length === 0, page.troubles.join("; "));
  await page.context().close();
});

// Each entry has seven columns; on a phone each of them had a line of its own.
await attempt("the audit on a phone", async () => {
  const page = await open({ viewport: { width: 390, height: 844 } });
  const principal = "jwt:https://identity.example/realms/shop|f3b5c1d2-0000-4000-8000-00000000cafe";
  await page.route("**/v1/audit*", async (route) => {
    const answer = await route.fetch();
    const list = await answer.json();
    // The page asks for other lists, too, and any of them may be the newest entry.
    list.items[0] = { ...list.items[0], operation: "listAudit", principal, address: "2001:db8:1234:5678:9abc:def0:1234:5678" };
    await route.fulfill({ response: answer, body: JSON.stringify(list) });
  });
  await signIn(page, "auditor");
  await visit(page, "/audit");
  await page.waitForSelector("tbody tr");
  const entries = page.locator("tbody tr");
  check("it begins with twenty entries", await entries.count() === 20, await entries.count());
  const first = (await entries.first().innerText()).replace(/\s+/g, " ");
  check("an entry has all that it has on a desk", first.includes(principal)
    && /\d\d:\d\d:\d\d.* auditor 2001:db8:1234:5678:9abc:def0:1234:5678 listAudit .*ok [0-9a-f]{16}$/.test(first), first);
  const lines = await entries.nth(1).evaluate((row) => new Set([...row.children].map((cell) => Math.round(cell.getBoundingClientRect().top / 4))).size);
  check("in four lines", lines === 4, lines);
  const tall = () => page.evaluate(() => document.documentElement.scrollHeight);
  const before = await tall();
  check("so that all of it is four screens, filters and all", before < 4 * 844, before);
  console.log(`   the audit is ${before} px long at first`);
  if (process.env.PICTURES) await page.screenshot({ path: `${process.env.PICTURES}/phone-audit.png`, fullPage: true });
  await page.getByRole("button", { name: "More" }).click();
  await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 40);
  check("and more when somebody wants it", await tall() > before);
  const wide = await page.evaluate(() => Math.max(...[document.documentElement, ...document.querySelectorAll("td, .scroll")]
    .map((one) => one.scrollWidth - one.clientWidth)));
  check("nothing is cut or hidden aside", wide <= 0, `${wide} pixels too wide`);
  await page.context().close();
  const desk = await open();
  await signIn(desk, "auditor");
  await visit(desk, "/audit");
  await desk.waitForSelector("tbody tr");
  check("a desk has fifty, each in a line", await desk.locator("tbody tr").count() === 50
    && await desk.locator("tbody tr").first().evaluate((row) => new Set([...row.children].map((cell) => cell.getBoundingClientRect().top)).size) === 1);
  await desk.context().close();
});

await attempt("each role has its pages", async () => {
  const expected = { operator: ["Wallets", "Transactions"], support: ["Wallets", "Transactions"], auditor: ["Overview", "Audit", "Integrity"] };
  for (const [role, names] of Object.entries(expected)) {
    const page = await open();
    await signIn(page, role);
    const nav = await text(page, "nav");
    check(`${role} is offered ${names.join(", ")}`, names.every((name) => nav.includes(name)), nav);
    check(`${role} is offered anomalies only if it may`, nav.includes("Anomalies") === (role !== "support"), nav);
    check(`${role} is offered the audit only if it may`, nav.includes("Audit") === (role === "auditor"), nav);
    await page.waitForSelector("main .card");
    check(`${role}: no trouble in the console`, page.troubles.length === 0, page.troubles.join("; "));
    await page.context().close();
  }
});

await attempt("roles of one's own have the pages that they may see", async () => {
  for (const role of ["teller", "machine"]) {
    const page = await open();
    await page.goto(base + "/");
    await page.fill("input[name=key]", keys[role]);
    await page.keyboard.press("Enter");
    await page.waitForSelector(".who .role");
    const links = await page.$$eval("nav a", (found) => found.map((link) => link.innerText));
    check(`${role}: its pages`, links.join() === (role === "teller" ? "Wallets" : ""), links.join());
    check(`${role} is told`, (await text(page, ".who .role")) === role);
    if (role === "machine")
      check("that it has nothing to see is said", (await text(page, "main")).includes("nothing to see here"));
    check(`${role}: no trouble in the console`, page.troubles.length === 0, page.troubles.join("; "));
    await page.context().close();
  }
});

// Presses Tab until it stands on what is called that, and says whether one can see where one is.
async function tabTo(page, name) {
  for (let i = 0; i < 150; i++) {
    const at = await page.evaluate(() => {
      const element = document.activeElement;
      const style = getComputedStyle(element);
      return { name: element.innerText?.trim() || element.getAttribute("aria-label") || element.name || "",
        tag: element.tagName, seen: style.outlineStyle !== "none" || style.boxShadow !== "none" };
    });
    if (name.test(at.name) && at.tag !== "MAIN" && at.tag !== "BODY") {
      if (!at.seen) check(`${name} shows that it has the focus`, false);
      return;
    }
    await page.keyboard.press("Tab");
  }
  throw new Error(`Tab does not lead to ${name}`);
}

await attempt("the keyboard alone", async () => {
  const page = await open();
  const press = (key) => page.keyboard.press(key);
  await page.goto(base + "/");
  await page.waitForSelector("input[name=key]");
  await page.keyboard.type(keys.admin); // the field has the focus
  await press("Enter");
  await page.waitForSelector(".tile");
  await tabTo(page, /^Wallets$/);
  await press("Enter");
  await page.waitForSelector("tbody tr a");
  await tabTo(page, /^owner$/);
  await page.keyboard.type(shop.owner);
  await press("Enter");
  await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 1);
  await page.waitForSelector("tbody tr a");
  await tabTo(page, new RegExp(`${shop.customer.slice(-6)}|^${shop.owner}$`));
  await press("Enter");
  await page.getByRole("button", { name: "Freeze" }).waitFor();
  await tabTo(page, /^Freeze$/);
  await press("Enter");
  await page.waitForSelector("dialog[open]");
  check("a dialog takes the focus", await page.evaluate(() => document.querySelector("dialog").contains(document.activeElement)));
  for (let i = 0; i < 8; i++) {
    await press("Tab");
    if (!await page.evaluate(() => document.activeElement === document.body || document.querySelector("dialog").contains(document.activeElement)))
      check("and keeps it", false);
  }
  await press("Escape");
  await page.waitForSelector("dialog", { state: "detached" });
  check("and leaves with Escape", true);
  for (const [button, reason, other] of [[/^Freeze$/, "no mouse", "Make active"], [/^Make active$/, "found the mouse", "Freeze"]]) {
    await tabTo(page, button);
    await press("Enter");
    await page.waitForSelector("dialog[open]");
    await tabTo(page, /^reason$/);
    await page.keyboard.type(reason);
    await press("Enter");
    await page.waitForSelector("dialog", { state: "detached" });
    await page.getByRole("button", { name: other }).waitFor();
  }
  check("a wallet is found, frozen and made active without a mouse", true);
  await tabTo(page, /^Sign out$/);
  await press("Enter");
  await page.waitForSelector("input[name=key]");
  check("and one signs out", await page.evaluate(() => sessionStorage.length) === 0);
  await page.context().close();
});

await attempt("a phone in the dark", async () => {
  const page = await open({ viewport: { width: 390, height: 844 }, colorScheme: "dark", hasTouch: true });
  await signIn(page, "admin");
  for (const address of ["/overview", "/wallets", `/wallets/${shop.customer}`, "/transactions", `/transactions/${shop.purchase}`, "/integrity",
    "/anomalies?status=any", `/anomalies/${shop.anomalies.own}`, "/approvals", `/approvals/${shop.approval}`, "/audit"]) {
    await visit(page, address);
    await page.waitForSelector("main .card");
    await page.waitForFunction(() => !document.body.innerText.includes("Loading…"));
    await page.waitForTimeout(300);
    if (address.startsWith("/anomalies")) await picture(page, address.length > 30 ? "phone-anomaly" : "phone-anomalies");
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    const shown = await page.evaluate(() => document.querySelector("nav [aria-current]").getBoundingClientRect().right <= innerWidth);
    check(`${address}: its name is in view`, shown);
    check(`${address} fits a phone`, wide <= 0, `${wide} pixels too wide`);
    const hidden = await page.evaluate(() => [...document.querySelectorAll(".scroll")].filter((one) => one.scrollWidth > one.clientWidth + 1)
      .map((one) => one.innerText.slice(0, 40)));
    check(`${address} hides nothing aside`, hidden.length === 0, hidden.join("; "));
    const rows = await page.evaluate(() => Math.max(0, ...[...document.querySelectorAll("tbody")].map((one) => one.children.length)));
    check(`${address} begins with a few items`, rows <= 20 && (rows > 0 || !/^\/(transactions|audit|wallets\/.*)$/.test(address)), rows);
  }
  await visit(page, "/overview");
  await page.waitForSelector(".chart canvas");
  for (let i = 0; process.env.PICTURES && i < 60; i++) {
    await page.request.post(base + "/v1/transfers", { headers: { Authorization: `Bearer ${keys.admin}` },
      data: { from: shop.customer, to: shop.friend, amount: 1 } });
    await page.waitForTimeout(250);
  }
  await picture(page, "phone-dark");
  const dark = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  check("it is dark", dark.match(/\d+/g).slice(0, 3).every((part) => Number(part) < 60), dark);
  check("no trouble in the console", page.troubles.length === 0, page.troubles.join("; "));
  await page.context().close();
});

// Where each text of a chart lies, so that one that its edge cuts is seen. What was wiped out or
// taken away since is not: a chart that is made wider or narrower is drawn once more.
function recordTexts() {
  window.drawn = [];
  const { fillText: draw, clearRect: wipe } = CanvasRenderingContext2D.prototype;
  CanvasRenderingContext2D.prototype.clearRect = function (...area) {
    window.drawn = window.drawn.filter(({ canvas }) => canvas !== this.canvas);
    return wipe.apply(this, area);
  };
  CanvasRenderingContext2D.prototype.fillText = function (label, x, ...rest) {
    const size = this.measureText(label).width;
    const left = x - ({ right: size, end: size, center: size / 2 }[this.textAlign] ?? 0);
    window.drawn.push({ label, left, right: left + size, canvas: this.canvas });
    return draw.call(this, label, x, ...rest);
  };
}

await attempt("long texts, and nothing at all", async () => {
  const owner = "w".repeat(200);
  const headers = { Authorization: `Bearer ${keys.admin}` };
  const setup = await open();
  const post = async (path, data) => (await setup.request.post(base + path, { headers, data })).json();
  const wallet = (await post("/v1/wallets", { owner, currency: "USD" })).id;
  await post("/v1/deposits", { wallet, amount: 9007199254740000, bank_transaction_id: "b".repeat(120) });
  const { id } = await post("/v1/purchases", { wallet, merchant: shop.merchant, amount: 100, order: "o".repeat(120) });
  await setup.context().close();
  for (const [place, viewport] of [["a phone", { width: 390, height: 844 }], ["a desk", { width: 1280, height: 860 }]]) {
    const page = await open({ viewport });
    await page.addInitScript(recordTexts);
    await signIn(page, "admin");
    for (const address of ["/wallets", `/wallets/${wallet}`, `/transactions?order=${"o".repeat(120)}`, `/transactions/${id}`]) {
      await visit(page, address);
      await page.waitForSelector("main .card");
      await page.waitForFunction(() => !document.body.innerText.includes("Loading…"));
      const wide = () => page.evaluate(() => Math.max(...[document.documentElement, ...document.querySelectorAll(".card")]
        .map((one) => one.scrollWidth - one.clientWidth)));
      await page.waitForFunction(() => [...document.querySelectorAll("h2, td, .tile")].length > 2);
      const name = address.slice(0, 24);
      check(`${name} keeps long texts within ${place}`, await wide() <= 0, `${await wide()} pixels too wide`);
      if (place === "a desk") await picture(page, `long-${address.split(/[/?]/).filter(Boolean).length}-${address[1]}`);
    }
    await visit(page, `/wallets/${wallet}`);
    await page.waitForFunction(() => window.drawn.some(({ label, canvas }) => canvas.isConnected && /^\d{2,3}(,\d{3}){4}/.test(label)));
    const cutOff = () => page.evaluate(() => window.drawn
      .filter(({ left, right, canvas }) => canvas.isConnected && (left < 0 || right > canvas.width))
      .map(({ label, left, right, canvas }) => ({ label, left, right, room: canvas.width })));
    for (let i = 0; i < 40 && (await cutOff()).length > 0; i++) await page.waitForTimeout(250); // it is drawn once more
    const cut = await cutOff();
    check(`${place}: a chart shows every digit of what is large`, cut.length === 0, JSON.stringify(cut.slice(0, 4)));
    await visit(page, "/wallets?owner=nobody");
    await page.waitForSelector("text=No wallet matches.");
    check(`${place}: that nothing was found is said`, true);
    await visit(page, `/wallets/${wallet.slice(0, -3)}zzz`);
    await page.waitForSelector(".trouble");
    check(`${place}: what is not there is told in words`, (await text(page, ".trouble")).length > 25, await text(page, ".trouble"));
    check(`${place}: no trouble in the console`, page.troubles.length === 0, page.troubles.join("; "));
    await page.context().close();
  }
});

await attempt("a life of a few seconds", async () => {
  const page = await open({ viewport: { width: 390, height: 844 } });
  const headers = { Authorization: `Bearer ${keys.admin}` };
  const post = async (path, data) => (await page.request.post(base + path, { headers, data })).json();
  const wallet = (await post("/v1/wallets", { owner: "mayfly", currency: "USD" })).id;
  for (let i = 0; i < 2; i++) await post("/v1/deposits", { wallet, amount: 4503599627370000, bank_transaction_id: `mayfly-${i}` });
  await page.addInitScript(recordTexts);
  await page.addInitScript(() => { Date.now = () => 1767225604500; }); // 00:00:04.5, and no round moment since 00:00:01
  await page.route("**/transactions?limit=500", async (route) => {
    const answer = await route.fetch();
    const list = await answer.json();
    list.items.forEach((one, i) => { one.created_at = `2026-01-01T00:00:01.${9 - i}00Z`; });
    await route.fulfill({ response: answer, body: JSON.stringify(list) });
  });
  await signIn(page, "admin");
  await visit(page, `/wallets/${wallet}`);
  await page.waitForFunction(() => window.drawn.some(({ label, canvas }) => canvas.isConnected && /^80,000/.test(label)));
  const outside = await page.evaluate(() => window.drawn.filter(({ right, canvas }) => canvas.isConnected && right > canvas.width).map(({ label }) => label));
  check("has no moment drawn where it has not come to", outside.length === 0, outside.join("; "));
  check("no trouble in the console", page.troubles.length === 0, page.troubles.join("; "));
  await page.context().close();
});

// Each look at anything but the metrics and the health is an entry of the audit.
const looks = (page) => page.asked.filter((url) => !/\/(web\/.*|metrics|readyz)?$/.test(new URL(url).pathname));

// Lets the page's clock go on, so many times so many seconds; it has looked at the metrics each time.
async function letGoBy(page, times, seconds) {
  for (let i = 0; i < times; i += 1)
    await Promise.all([page.waitForResponse("**/metrics", { timeout: 120000 }), page.clock.fastForward(seconds * 1000)]);
}

await attempt("a page that is open for long", async () => {
  const page = await open();
  await page.clock.install();
  await signIn(page, "admin");
  await page.waitForSelector(".tile");
  await letGoBy(page, 2, 30);
  let before = looks(page).length;
  await letGoBy(page, 40, 30); // twenty minutes
  let asked = looks(page).slice(before);
  check("the overview reads what is no metric now and then alone", asked.length > 0 && asked.length <= 5 * 3, asked.join("; "));
  await visit(page, "/anomalies");
  await page.waitForSelector("tbody tr");
  await letGoBy(page, 2, 5);
  before = looks(page).length;
  await letGoBy(page, 60, 5); // five minutes
  asked = looks(page).slice(before);
  check("so does the review queue while nothing is new in it", asked.length > 0 && asked.length <= 6, asked.join("; "));
  check("no trouble in the console", page.troubles.length === 0, page.troubles.join("; "));
  await page.context().close();
});

await attempt("a total that no float can tell", async () => {
  const page = await open();
  await page.route("**/metrics", async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, body: (await answer.text())
      .replace(/^florin_money_balances\{currency="USD"\} \d+$/m, 'florin_money_balances{currency="USD"} 900719925474099301') });
  });
  await signIn(page, "admin");
  await page.waitForFunction(() => document.querySelector(".tile")?.innerText.includes("9,007,199,254,740,993.01"));
  check("is shown with all its digits, as it is now", true);
  await page.context().close();
});

// Kafka and what hangs are elsewhere; here the server is made to say so.
await attempt("what is behind, hangs or is away", async () => {
  const page = await open();
  await signIn(page, "admin");
  let missed = 3;
  await page.route("**/metrics", async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, body: (await answer.text()).replace(/^(florin_request_deadlines_missed_total) \d+$/m, `$1 ${missed}`)
      + "florin_worker_lag 12345\nflorin_worker_oldest_seconds 75.250\nflorin_events_oldest_seconds 0.004\n" });
  });
  await page.route("**/readyz", (route) => route.fulfill({ status: 503, contentType: "application/json",
    body: JSON.stringify({ status: "unavailable", dependencies: [{ name: "store", status: "hangs" },
      { name: "token_keys", status: "ok" }, { name: "token_keys", status: "away" },
      ...["shards", "redis", "rules", "webhooks", "kafka_queue", "kafka_events"].map((name) => ({ name, status: "ok" }))] }) }));
  await page.reload(); // all that is watched is what is said here
  await page.waitForFunction(() => /Queue\s*12\.3 k commands, 75 s behind/.test(document.body.innerText));
  check("the queue's lag is told", true);
  check("and that events are up to date", /Events\s*up to date/.test(await text(page)), await text(page));
  await page.waitForFunction(() => /Server\s*unavailable\s+Store\s*hangs\s+Token keys\s*away/.test(document.body.innerText));
  check("so is each dependency, as bad as its worst", true);
  const named = await page.locator(".health li > span:nth-child(2)").allInnerTexts();
  check("by names for people", named.every((name) => /^[A-Z][A-Za-z, ]+$/.test(name)), named.join("; "));
  check("in red", (await page.locator(".health .dot.bad").count()) === 2);
  await page.waitForFunction(() => /Missed deadlines\s*3 since the start/.test(document.body.innerText));
  check("what was long ago worries nobody", (await page.locator(".health .dot.warn").count()) === 2);
  missed = 5;
  await page.waitForFunction(() => /Missed deadlines\s*2 in the last minutes/.test(document.body.innerText));
  check("what is new does", (await page.locator(".health .dot.warn").count()) === 3);
  await page.context().close();
});

await attempt("a server that is gone", async () => {
  const page = await open();
  await signIn(page, "admin");
  await page.waitForSelector(".tile");
  await page.route("**/metrics", (route) => route.abort());
  await page.waitForFunction(() => document.body.innerText.includes("cannot be reached"));
  check("is told in words", true);
  await page.context().close();
});

// A byte of the journal is another one, or what the suite says.
function damage() {
  if (process.env.FLORIN_DAMAGE) {
    execSync(process.env.FLORIN_DAMAGE);
    return;
  }
  const folder = `${process.env.FLORIN_DATA}/journal`;
  const name = fs.readdirSync(folder).filter((one) => one.endsWith(".segment")).sort()[0];
  const file = fs.openSync(`${folder}/${name}`, "r+");
  const bytes = Buffer.alloc(4 << 20);
  fs.readSync(file, bytes, 0, bytes.length, 0);
  fs.writeSync(file, "X", bytes.indexOf(shop.owner));
  fs.closeSync(file);
}

await attempt("books that differ, and payments that are stopped", async () => {
  damage();
  const page = await open();
  await signIn(page, "auditor");
  await visit(page, "/integrity");
  await page.getByRole("button", { name: "Check everything now" }).click();
  await page.waitForSelector(".verdict.bad");
  await page.waitForSelector("text=Payments are stopped until an admin decides.");
  const unseen = (await page.locator("section.card", { hasText: "Looked at" }).locator("tbody tr").allInnerTexts())
    .filter((row) => /\t0\t/.test(row));
  check("nothing is said about what nobody looked at", unseen.every((row) => !row.endsWith("none")), unseen.join("; "));
  check("an auditor sees it and does not decide", await page.getByRole("button", { name: "Let payments go on" }).count() === 0);
  await page.context().close();
  const admin = await open();
  await signIn(admin, "admin");
  await admin.waitForSelector("text=Payments are stopped until an admin decides.");
  check("the overview says that payments are stopped", true);
  await visit(admin, "/integrity");
  await admin.getByRole("button", { name: "Let payments go on" }).click();
  await admin.waitForSelector("dialog[open]");
  check("the dialog repeats what differs", /The books differ: .{20}/.test(await text(admin, "dialog")), await text(admin, "dialog"));
  await picture(admin, "resume");
  await admin.locator("dialog button[type=submit]").click();
  await admin.waitForSelector("dialog", { state: "detached" });
  await admin.waitForFunction(() => !document.body.innerText.includes("Payments are stopped"));
  check("an admin decides", true);
  const answer = await fetch(`${base}/check-integrity`, { headers: { Authorization: `Bearer ${keys.admin}` } });
  check("and payments go on", (await answer.json()).payments_stopped === false);
  check("no trouble in the console", admin.troubles.length === 0, admin.troubles.join("; "));
  await admin.context().close();
});

await browser.close();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
