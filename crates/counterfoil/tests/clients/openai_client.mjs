// The stock OpenAI client for Node against Counterfoil: nothing but its address and key are set.
//
// Usage: NODE_DIR=... BASE_URL=... API_KEY=... node openai_client.mjs

import assert from "node:assert/strict";
import { createRequire } from "node:module";

const OpenAI = createRequire(`${process.env.NODE_DIR}/`)("openai").default;
const settings = { baseURL: process.env.BASE_URL, apiKey: process.env.API_KEY, maxRetries: 0, timeout: 30_000 };
const client = new OpenAI(settings);
const messages = [{ role: "user", content: "hello" }];
const tools = [{ type: "function", function: { name: "weather", parameters: { type: "object", properties: {} } } }];
const create = (more) => client.chat.completions.create({ model: "chat", messages, ...more });

async function streamed(more) {
  const texts = {};
  let usage = null;
  for await (const chunk of await create({ stream: true, ...more })) {
    usage = chunk.usage ?? usage;
    for (const choice of chunk.choices) {
      texts[choice.index] = (texts[choice.index] ?? "") + (choice.delta.content ?? "");
    }
  }
  return [texts, usage];
}

async function fails(status, code, call) {
  const error = await call().then(() => assert.fail(`${code} was not thrown`), (error) => error);
  assert.deepEqual([error.status, error.code], [status, code], String(error));
  assert.ok(error.error.message && error.error.type);
  return error;
}

const checks = {
  async plainChat() {
    const { data, response } = await create({ user: "anna" }).withResponse();
    assert.equal(data.choices[0].message.content, "héllo 0");
    assert.equal(data.usage.total_tokens, 13);
    assert.equal(response.headers.get("x-request-id"), "req_1");
    assert.ok(response.headers.get("x-counterfoil-inference"));
  },
  async severalChoices() {
    const answer = await create({ n: 3 });
    assert.deepEqual(answer.choices.map((choice) => choice.message.content), ["héllo 0", "héllo 1", "héllo 2"]);
  },
  async toolCalls() {
    const call = (await create({ tools })).choices[0].message.tool_calls[0];
    assert.deepEqual(call.function, { name: "weather", arguments: '{"city":"Perth"}' });
  },
  async streams() {
    assert.deepEqual(await streamed(), [{ 0: "héllo 0" }, null]);
    assert.deepEqual(await streamed({ n: 2 }), [{ 0: "héllo 0", 1: "héllo 1" }, null]);
    const [texts, usage] = await streamed({ stream_options: { include_usage: true } });
    assert.deepEqual([texts, usage.total_tokens], [{ 0: "héllo 0" }, 13]);
  },
  async streamedToolCalls() {
    const runner = client.chat.completions.stream({ model: "chat", messages, tools });
    const call = (await runner.finalMessage()).tool_calls[0];
    assert.equal(call.function.arguments, '{"city":"Perth"}');
  },
  async responses() {
    const answer = await client.responses.create({ model: "chat", input: "hello" });
    assert.equal(answer.output_text, "héllo");
    const events = [];
    for await (const event of await client.responses.create({ model: "chat", input: "hello", stream: true })) {
      events.push(event.type);
    }
    assert.equal(events.at(-1), "response.completed");
  },
  async embeddings() {
    const answer = await client.embeddings.create({ model: "chat", input: ["a", "b"] });
    assert.deepEqual(answer.data.map((item) => Array.from(item.embedding)), [[0.5, -0.25, 1], [0.5, -0.25, 1]]);
  },
  async models() {
    const names = [];
    for await (const model of client.models.list()) names.push(model.id);
    assert.ok(names.includes("chat"), String(names));
  },
  async errorsOfTheProvider() {
    const error = await fails(429, "rate_limit_exceeded", () => create({ model: "limited" }));
    assert.equal(error.headers.get("retry-after"), "7");
    assert.equal(error.headers.get("retry-after-ms"), "7000");
    assert.equal(error.error.message, "slow down");
  },
  async errorsOfOurOwn() {
    await fails(404, "model_not_found", () => create({ model: "gpt-0" }));
    await fails(504, "provider_timeout", () => create({ model: "hang" }));
    await fails(502, "provider_broke_off", () => create({ model: "reset" }));
    const stranger = new OpenAI({ ...settings, apiKey: "cf_nobody" });
    await fails(401, "invalid_api_key", () => stranger.embeddings.create({ model: "chat", input: "x" }));
  },
  async leavingInTheMiddle() {
    const stream = await create({ model: "slow", stream: true });
    for await (const chunk of stream) {
      assert.equal(chunk.choices[0].delta.content, "tick ");
      break;
    }
    stream.controller.abort();
  },
};

for (const [name, check] of Object.entries(checks)) {
  await check();
  console.log("ok", name);
}
process.exit(0);
