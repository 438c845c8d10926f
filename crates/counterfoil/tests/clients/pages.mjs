// The pages in a real browser: accessible in both themes, usable without scripts, silent towards everybody else.
//
// Usage: NODE_DIR=... CHROMIUM=... BASE_URL=... LINK=... PATHS=/,/ledger node pages.mjs

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.NODE_DIR}/`);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const { BASE_URL, LINK, CHROMIUM } = process.env;
const paths = process.env.PATHS.split(",");
const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });

// Signs in as a person does, and keeps the session for the other contexts.
const signin = await browser.newContext();
const first = await signin.newPage();
await first.goto(LINK);
await first.locator("form button").first().click();
await first.waitForURL((url) => !url.pathname.startsWith("/signin"));
const storageState = await signin.storageState();
await signin.close();

for (const colorScheme of ["light", "dark"]) {
  // axe must be injected, which the pages' own policy rightly forbids.
  const context = await browser.newContext({ storageState, colorScheme, bypassCSP: true });
  const page = await context.newPage();
  page.on("request", (request) => assert.ok(request.url().startsWith(BASE_URL), `request to ${request.url()}`));
  for (const path of paths) {
    const response = await page.goto(BASE_URL + path);
    assert.equal(response.status(), 200, path);
    await page.addScriptTag({ content: axe });
    const { violations } = await page.evaluate((values) => axe.run(document, { runOnly: { type: "tag", values } }), rules);
    const told = violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.map((node) => node.target).join(", ")}`);
    assert.deepEqual(told, [], `${colorScheme} ${path}`);
  }
  await context.close();
}

// With the policy in force nothing on a page may be refused by it; without scripts each page still shows itself.
for (const javaScriptEnabled of [true, false]) {
  const context = await browser.newContext({ storageState, javaScriptEnabled });
  const page = await context.newPage();
  page.on("console", (message) => assert.notEqual(message.type(), "error", message.text()));
  for (const path of paths) {
    await page.goto(BASE_URL + path);
    assert.equal(await page.locator("h1").count(), 1, `${path} has one heading of the first level`);
    assert.ok((await page.locator("main").innerText()).length > 20, `${path} is empty`);
  }
  await context.close();
}

// A keyboard reaches the content without passing through the navigation.
const context = await browser.newContext({ storageState });
const page = await context.newPage();
await page.goto(BASE_URL + "/");
await page.keyboard.press("Tab");
const skip = await page.evaluate(() => document.activeElement.getAttribute("href"));
assert.match(skip ?? "", /^#/, "the first stop of the tab key skips to the content");

await browser.close();
console.log("ok", paths.length, "pages");
