// Signing in with a company's OpenID provider, in a real browser.
//
// Usage: NODE_DIR=... CHROMIUM=... BASE_URL=... LINK=... node signin.mjs
// Each line on standard input is a step; each answer is one line.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(`${process.env.NODE_DIR}/`);
const { chromium } = require("playwright-core");
const { BASE_URL, CHROMIUM } = process.env;
const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });

const visitors = new Map();
async function visitor(name) {
  if (!visitors.has(name)) {
    const context = await browser.newContext({ javaScriptEnabled: name !== "noscript" });
    visitors.set(name, { context, page: await context.newPage() });
  }
  return visitors.get(name);
}

const here = (url) => url.href.startsWith(BASE_URL);
const session = async (context) => (await context.cookies(BASE_URL)).find((it) => it.name === "counterfoil_session")?.value;

// Until the page is there that somebody comes to: a page that leads on by itself does so at once. Its address and what is
// on it change one after the other, so both must have stayed for a while.
async function settle(page) {
  for (let stayed = 0, before; stayed < 3; ) {
    await page.waitForLoadState("load");
    const leads = await page.locator("meta[http-equiv=refresh]").count();
    stayed = !leads && page.url() === before ? stayed + 1 : 0;
    before = page.url();
    await page.waitForTimeout(100);
  }
}

const steps = {
  // Goes to a page, signs in at the provider as somebody, and says where that led and what is there.
  async signin(name, who, path = "/") {
    const { context, page } = await visitor(name);
    const before = await session(context);
    await page.goto(BASE_URL + path);
    const start = page.url();
    await page.getByRole("link", { name: /^(Sign in|Prove it) with / }).click();
    await page.waitForURL((url) => url.href !== start && (here(url) || url.pathname.startsWith("/interaction/")));
    if (!here(new URL(page.url()))) {
      await page.getByRole("button", { name: who, exact: true }).click();
      await page.waitForURL(here);
    }
    await settle(page);
    const after = await session(context);
    return { path: page.url().slice(BASE_URL.length), text: (await page.locator("main").innerText()).slice(0, 2000), fresh: after !== undefined && after !== before };
  },
  async goto(name, path) {
    const { page } = await visitor(name);
    const response = await page.goto(path.startsWith("http") ? path : BASE_URL + path);
    await settle(page);
    return { path: page.url().slice(BASE_URL.length), status: response.status(), text: (await page.locator("body").innerText()).slice(0, 4000) };
  },
  async press(name, button) {
    const { page } = await visitor(name);
    const pressed = page.getByRole("button", { name: button, exact: true }).first();
    await Promise.all([page.waitForEvent("load"), pressed.click()]);
    await settle(page);
    return { url: page.url(), text: (await page.locator("body").innerText()).slice(0, 4000) };
  },
  async fill(name, label, value) {
    const { page } = await visitor(name);
    await page.getByLabel(label).fill(value);
    return {};
  },
  async cookie(name) {
    const { context } = await visitor(name);
    return { cookies: await context.cookies(BASE_URL) };
  },
  // Plants a cookie before the sign-in, as somebody would who wants to know the session's secret beforehand.
  async plant(name, value) {
    const { context } = await visitor(name);
    await context.addCookies([{ name: "counterfoil_session", value, url: BASE_URL }]);
    return {};
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const [step, ...values] = JSON.parse(line);
  assert.ok(steps[step], step);
  try {
    console.log(JSON.stringify({ ok: await steps[step](...values) }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error) }));
  }
}
await browser.close();
