// A real OpenID provider for tests: people sign in there by name, without a password.
//
// Usage: NODE_DIR=... CLIENT_SECRET=... node openid.mjs
// Prints its issuer. Lines on standard input change it: `callback URL` makes the client known, `rotate` changes the signing
// key, `logout SUB` ends somebody's sessions there and tells the client by back-channel, `skew SECONDS` moves its clock.

import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

// Standard output is for answers.
console.info = console.error;

const require = createRequire(`${process.env.NODE_DIR}/`);
const { Provider } = await import(pathToFileURL(require.resolve("oidc-provider")));

const people = {
  anna: { name: "Anna Example", email: "anna@example.com", email_verified: true, groups: ["ml-deployers", "staff"] },
  ben: { name: "Ben Example", email: "ben@elsewhere.example", email_verified: true, groups: [] },
  // Looks like Anna's address: the second letter of the domain is Cyrillic.
  eve: { name: "Anna Example", email: "anna@\u0435xample.com", email_verified: true, groups: ["ml-deployers"] },
};

let keys = 0;
function key() {
  keys += 1;
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { ...privateKey.export({ format: "jwk" }), kid: `key-${keys}`, use: "sig", alg: "RS256" };
}

let current = key();
let callback = "http://127.0.0.1:1/";
const stored = new Map();

class Memory {
  constructor(kind) { this.kind = kind; }
  name(id) { return `${this.kind}:${id}`; }
  async upsert(id, payload) { stored.set(this.name(id), payload); }
  async find(id) { return stored.get(this.name(id)); }
  async findByUid(uid) { return [...stored].find(([name, it]) => name.startsWith(`${this.kind}:`) && it.uid === uid)?.[1]; }
  async findByUserCode() {}
  async destroy(id) { stored.delete(this.name(id)); }
  async revokeByGrantId(grant) { for (const [name, it] of stored) if (it.grantId === grant) stored.delete(name); }
  async consume(id) { stored.get(this.name(id)).consumed = Math.floor(Date.now() / 1000); }
}

function provider(issuer) {
  const base = new URL(callback).origin;
  return new Provider(issuer, {
    adapter: Memory,
    clients: [{
      client_id: "counterfoil",
      client_secret: process.env.CLIENT_SECRET,
      redirect_uris: [callback],
      post_logout_redirect_uris: [`${base}/signin`],
      backchannel_logout_uri: `${base}/signin/oidc/backchannel-logout`,
      backchannel_logout_session_required: true,
    }],
    jwks: { keys: [current] },
    claims: { openid: ["sub", "amr"], profile: ["name", "groups"], email: ["email", "email_verified"] },
    conformIdTokenClaims: false,
    findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub, ...people[sub] }) }),
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (ctx, form) => { ctx.body = `<!doctype html><body>${form}<button name="logout" form="op.logoutForm" value="yes">Sign out</button>`; },
        postLogoutSuccessSource: (ctx) => { ctx.body = "<!doctype html><body>Signed out"; },
      },
    },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    // Its dispatcher refuses addresses of this machine, which is where the client is.
    fetch: (url, { dispatcher, ...options }) => fetch(url, options),
    cookies: { keys: ["tests only"] },
    pkce: { required: () => true },
    acrValues: ["mfa"],
    ttl: { Session: 3600, Interaction: 600, Grant: 3600, IdToken: 300 },
  });
}

let current_provider;
const server = createServer(async (request, response) => {
  const url = new URL(request.url, issuer);
  if (!url.pathname.startsWith("/interaction/")) return current_provider.callback()(request, response);
  const details = await current_provider.interactionDetails(request, response);
  if (request.method === "GET" && details.prompt.name === "login") {
    response.setHeader("content-type", "text/html; charset=utf-8");
    const buttons = Object.keys(people).map((who) => `<button name="who" value="${who}">${who}</button>`);
    return response.end(`<!doctype html><title>Provider</title><h1>Who are you?</h1><form method="post">${buttons.join("")}</form>`);
  }
  let result;
  if (details.prompt.name === "login") {
    let body = "";
    for await (const piece of request) body += piece;
    const accountId = new URLSearchParams(body).get("who");
    result = { login: { accountId, amr: accountId === "anna" ? ["pwd", "otp"] : ["pwd"] } };
  } else {
    const grant = new current_provider.Grant({ accountId: details.session.accountId, clientId: details.params.client_id });
    grant.addOIDCScope(details.params.scope);
    result = { consent: { grantId: await grant.save() } };
  }
  await current_provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
});

await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const issuer = `http://127.0.0.1:${server.address().port}`;
current_provider = provider(issuer);
console.log(issuer);

for await (const line of createInterface({ input: process.stdin })) {
  const [what, value] = line.split(" ");
  if (what === "callback") {
    callback = value;
    current_provider = provider(issuer);
  } else if (what === "rotate") {
    current = key();
    current_provider = provider(issuer);
  } else if (what === "logout") {
    const client = await current_provider.Client.find("counterfoil");
    for (const [name, session] of stored) {
      if (!name.startsWith("Session:") || session.accountId !== value) continue;
      const sid = session.authorizations?.counterfoil?.sid;
      await client.backchannelLogout(value, sid);
      stored.delete(name);
    }
  }
  console.log(`done ${what}`);
}
process.exit(0);
