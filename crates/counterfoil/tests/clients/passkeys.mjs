// Passkeys in a real browser with a virtual authenticator: made, used, asked for again, removed; and the way back by
// recovery code. The new pages are accessible in both themes and whole without scripts.
//
// Usage: NODE_DIR=... CHROMIUM=... BASE_URL=http://localhost:... LINK=... node passkeys.mjs

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.NODE_DIR}/`);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const { BASE_URL, LINK, CHROMIUM } = process.env;
const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

// axe puts styles into a page, which the page's own policy rightly refuses; nothing else may be refused.
let checking = false;

const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });

// A browser with an authenticator of its own, which says yes by itself.
async function device() {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(15000);
  page.on("console", (message) => assert.ok(checking || !/Content Security Policy/.test(message.text()), message.text()));
  page.on("pageerror", (error) => assert.fail(error));
  page.on("request", (request) => assert.ok(request.url().startsWith(BASE_URL), `request to ${request.url()}`));
  const cdp = await context.newCDPSession(page);
  await cdp.send("WebAuthn.enable");
  const options = {
    protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true,
    automaticPresenceSimulation: true,
  };
  const { authenticatorId } = await cdp.send("WebAuthn.addVirtualAuthenticator", { options });
  const verifies = (isUserVerified) => cdp.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified });
  const credentials = async () => (await cdp.send("WebAuthn.getCredentials", { authenticatorId })).credentials;
  return { context, page, cdp, authenticatorId, verifies, credentials };
}

const says = async (page, pattern) => {
  await page.locator("[role=status]", { hasText: pattern }).first().waitFor();
};

async function make(page, name) {
  await page.goto(`${BASE_URL}/passkeys`);
  await page.getByLabel("What you call it").fill(name);
  await page.getByRole("button", { name: "Make a passkey" }).click();
}

async function signOut(page) {
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.waitForURL((url) => url.pathname === "/signin");
}

async function show(page) {
  await page.goto(`${BASE_URL}/signin?return=/people`);
  await page.getByRole("button", { name: "Sign in with a passkey" }).click();
}

async function check(page, what) {
  checking = true;
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    const { violations } = await page.evaluate(`${axe}; axe.run(document, { runOnly: { type: "tag", values: ${JSON.stringify(rules)} } })`);
    const told = violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.map((node) => node.target).join(", ")}`);
    assert.deepEqual(told, [], `${colorScheme} ${what}`);
  }
  checking = false;
}

// Somebody signs in by link, as the first time must be, and makes a passkey.
const laptop = await device();
const { page } = laptop;
await page.goto(LINK);
await page.locator("form button").first().click();
await page.waitForURL((url) => !url.pathname.startsWith("/signin"));
await make(page, "Zoë's laptop");
await page.locator("strong", { hasText: "Zoë's laptop" }).waitFor();
await check(page, "passkeys");
const [credential] = await laptop.credentials();
assert.ok(credential.isResidentCredential, "it is found without a user name");
assert.equal(credential.rpId, "localhost");

// The same device makes no second one.
await make(page, "again");
await says(page, /has a passkey of yours already/);

// Signing in with it, going where one wanted to go; not without being verified.
await signOut(page);
await check(page, "signin");
await laptop.verifies(false);
await show(page);
await says(page, /declined, or took too long/);
await laptop.verifies(true);
await show(page);
await page.waitForURL(`${BASE_URL}/people`);
await page.goto(`${BASE_URL}/sessions`);
assert.match(await page.locator("main").innerText(), /passkey, with a second factor/);

// Proving it again takes the place of the session.
const before = await page.locator("main strong.mono").allInnerTexts();
await page.goto(`${BASE_URL}/reauthenticate?return=/sessions`);
await check(page, "reauthenticate");
await page.getByRole("button", { name: "Show a passkey" }).click();
await page.waitForURL(`${BASE_URL}/sessions`);
const after = await page.locator("main strong.mono").allInnerTexts();
assert.equal(after.length, before.length);
assert.notDeepEqual(after, before);

// Recovery codes are shown once.
await page.goto(`${BASE_URL}/passkeys`);
await page.getByRole("button", { name: "Make recovery codes" }).click();
const codes = await page.locator("code.command").allInnerTexts();
assert.equal(codes.length, 8);
await check(page, "codes");
await page.goto(`${BASE_URL}/passkeys`);
assert.match(await page.locator("main").innerText(), /You have 8 unused codes/);
await signOut(page);

// The laptop is lost. A code opens the door to making a passkey on another device, and to nothing else.
const phone = await device();
await phone.page.goto(`${BASE_URL}/signin`);
await phone.page.getByRole("link", { name: "Use a recovery code" }).click();
await check(phone.page, "recover");
await phone.page.getByLabel("Recovery code").fill(`0${codes[0].slice(1, -1)}`);
await phone.page.getByRole("button", { name: "Let me in" }).click();
await phone.page.locator("[role=alert]", { hasText: /compare it symbol by symbol/ }).waitFor();
await phone.page.getByLabel("Recovery code").fill(codes[0].toLowerCase());
await phone.page.getByRole("button", { name: "Let me in" }).click();
await phone.page.waitForURL(`${BASE_URL}/passkeys`);
assert.match(await phone.page.locator("main").innerText(), /You came with a recovery code/);
for (const path of ["/", "/people", "/ledger"]) {
  assert.equal((await phone.page.goto(BASE_URL + path)).status(), 403, path);
}
await make(phone.page, "phone");
await phone.page.locator("strong", { hasText: "phone" }).waitFor();
await signOut(phone.page);
await show(phone.page);
await phone.page.waitForURL(`${BASE_URL}/people`);
await phone.page.goto(`${BASE_URL}/`);
assert.match(await phone.page.locator("[role=alert]").innerText(), /recovery code let .* in at .* 7 are left/);
await check(phone.page, "overview");

// The lost laptop's passkey is removed: what it opened ends, and it opens nothing any more. The phone stays signed in.
await show(page);
await page.waitForURL(`${BASE_URL}/people`);
await phone.page.goto(`${BASE_URL}/passkeys`);
await phone.page.getByRole("button", { name: "Remove Zoë's laptop" }).click();
await phone.page.waitForURL(`${BASE_URL}/passkeys`);
assert.equal(await phone.page.getByText("Zoë's laptop").count(), 0);
assert.equal(new URL((await page.goto(`${BASE_URL}/people`)).url()).pathname, "/signin");
await show(page);
await says(page, /this passkey was not accepted/);
assert.equal(new URL((await page.goto(`${BASE_URL}/sessions`)).url()).pathname, "/signin");

// Without scripts, the pages say what to do instead, and show no button that would do nothing.
const storageState = await phone.context.storageState();
const plain = await browser.newContext({ storageState, javaScriptEnabled: false });
const still = await plain.newPage();
for (const path of ["/signin", "/passkeys"]) {
  await still.goto(BASE_URL + path);
  assert.equal(await still.getByRole("button", { name: /a passkey$/ }).count(), 0, path);
  assert.match(await still.locator("main").innerText(), /this browser runs none/, path);
}

await browser.close();
console.log("ok");
