// SPDX-License-Identifier: MIT
import assert from "node:assert/strict";
import { test } from "node:test";
import { failure, gate, keyOf, sdk, take } from "./server.mjs";

test("an event is sent and its receipt returned", async (t) => {
  const server = await gate(t);
  const receipt = await server.client().ingest("feature.used", { user_id: "u", n: 1.5 });
  assert.deepEqual(receipt, { id: "evt_0", status: "accepted" });
  const [request] = server.requests;
  assert.equal(request.method, "POST");
  assert.equal(request.path, "/v1/ingest");
  assert.equal(request.headers.authorization, "Bearer key");
  assert.equal(request.headers["content-type"], "application/json");
  const [event] = request.body.events;
  assert.equal(event.type, "feature.used");
  assert.deepEqual(event.payload, { user_id: "u", n: 1.5 });
  assert.match(event.id, /^evt_[0-7][0-9A-HJKMNP-TV-Z]{25}$/);
  assert.equal("idempotencyKey" in event, false);
  assert.equal("timestamp" in event, false);
});

test("ids are ULIDs of the time at which they were made", async (t) => {
  const server = await gate(t);
  const from = Date.now();
  for (let i = 0; i < 200; i++) await server.client().ingest("t", {});
  const until = Date.now();
  const ids = server.requests.map((request) => request.body.events[0].id);
  assert.equal(new Set(ids).size, 200);
  const digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  const times = ids.map((id) => [...id.slice(4, 14)].reduce((ms, digit) => ms * 32 + digits.indexOf(digit), 0));
  assert.ok(times.every((ms, i) => ms >= (times[i - 1] ?? from) && ms <= until));
});

test("what was not taken keeps its id when its key is given back", async (t) => {
  const server = await gate(t, (n) => (n === 0 ? { status: 400 } : undefined));
  const error = await failure(server.client().ingest("t", { n: 1 }));
  const { idempotencyKey } = error.problems[0];
  await server.client().ingest("t", { n: 1 }, { idempotencyKey });
  const [first, second] = server.requests.map((request) => request.body.events[0]);
  assert.equal(first.id, idempotencyKey);
  assert.deepEqual(second, first);
});

test("keys and timestamps of the caller are passed on", async (t) => {
  const server = await gate(t);
  const client = server.client({ url: `${server.url}/` });
  const options = { idempotencyKey: "mine", timestamp: new Date(Date.UTC(2026, 0, 2, 3, 4, 5, 6)) };
  assert.equal((await client.ingest("t", {}, options)).status, "accepted");
  assert.deepEqual(await client.ingest("t", {}, { idempotencyKey: "mine", timestamp: "2026-01-02T00:00:00Z" }),
    { id: "evt_0", status: "duplicate" });
  const sent = server.requests.map((request) => request.body.events[0]);
  assert.deepEqual(sent.map((event) => event.idempotencyKey), ["mine", "mine"]);
  assert.deepEqual(sent.map((event) => event.timestamp), ["2026-01-02T03:04:05.006Z", "2026-01-02T00:00:00Z"]);
});

test("a bigint is sent as the integer it is", async (t) => {
  const server = await gate(t);
  await server.client().ingest("t", { n: 123456789012345678901234567890n, a: [-1n], s: "1n" });
  assert.match(server.requests[0].text, /"payload":\{"n":123456789012345678901234567890,"a":\[-1\],"s":"1n"\}/);
});

for (const status of [408, 429, 500, 502, 503, 504])
  test(`${status} is tried again, with the same key`, async (t) => {
    const server = await gate(t, (n) => (n < 2 ? { status } : undefined));
    assert.equal((await server.client().ingest("t", {})).status, "accepted");
    const keys = server.requests.map((request) => keyOf(request.body.events[0]));
    assert.equal(keys.length, 3);
    assert.equal(new Set(keys).size, 1);
  });

for (const status of [301, 400, 401, 403, 404, 405, 413, 415, 422, 501, 505])
  test(`${status} is final`, async (t) => {
    const server = await gate(t, () => ({
      status, headers: { Location: "/elsewhere" }, body: { error: { message: "no, never", code: "nope" } },
    }));
    const error = await failure(server.client().ingest("t", {}));
    assert.equal(server.requests.length, 1);
    assert.equal(error.status, status);
    assert.equal(error.code, "nope");
    assert.equal(error.message, "no, never");
    assert.equal(error.retryable, false);
    assert.equal(error.attempts, 1);
    assert.deepEqual(error.problems.map(({ index, code }) => ({ index, code })), [{ index: 0, code: "nope" }]);
  });

test("a redirect is told as one where the browser hides it", async (t) => {
  const server = await gate(t);
  const hidden = { status: 0, headers: { get: () => null }, text: async () => "" };
  const error = await failure(server.client({ fetch: async () => hidden }).ingest("t", {}));
  assert.equal(error.message, "the server answered with a redirect");
  assert.equal(error.attempts, 1);
});

for (const body of [{ error: { message: "there is nothing at this path", code: "not_found" } }, "<html>"])
  test(`a url that is not the server's is named: ${JSON.stringify(body)}`, async (t) => {
    const server = await gate(t, () => ({ status: 404, body }));
    const error = await failure(server.client({ url: `${server.url}/v1/ingest` }).ingest("t", {}));
    assert.ok(error.message.endsWith(`: ${server.url}/v1/ingest/v1/ingest`), error.message);
  });

test("an event whose answer was lost does not count twice", async (t) => {
  const server = await gate(t, (n, body, self) => {
    if (n > 0) return undefined;
    take(self, body);
    return "reset";
  });
  assert.deepEqual(await server.client().ingest("t", {}), { id: "evt_0", status: "duplicate" });
  assert.equal(server.requests.length, 2);
  assert.equal(server.taken.size, 1);
});

test("an answer that breaks off or is not one is asked for again", async (t) => {
  const answers = [
    { status: 202, headers: { "Content-Length": "500" }, body: '{"data":' },
    { status: 202, body: "<html>welcome</html>" },
    { status: 202, body: { ok: true } },
  ];
  const server = await gate(t, (n, body, self) => {
    if (n < 3) take(self, body);
    return answers[n];
  });
  const client = server.client({ attemptTimeoutMs: 200 });
  assert.equal((await client.ingest("t", {})).status, "duplicate");
  assert.equal(server.requests.length, 4);
});

test("an answer about other events is asked for again", async (t) => {
  const server = await gate(t, (n, body, self) =>
    n ? undefined : (take(self, body), { status: 202, body: { data: { accepted: 0, duplicates: 0, events: [] } } }));
  assert.equal((await server.client().ingest("t", {})).status, "duplicate");
});

test("a fetch() that knows nothing of signals is given up as well", async (t) => {
  const server = await gate(t);
  const error = await failure(server.client({
    attemptTimeoutMs: 30, retries: 1, fetch: () => new Promise(() => {}),
  }).ingest("t", {}));
  assert.equal(error.code, "timeout");
  assert.equal(error.attempts, 2);
});

test("an attempt that hangs is given up and made again", async (t) => {
  const server = await gate(t, (n) => (n === 0 ? "hang" : undefined));
  await server.client({ attemptTimeoutMs: 80 }).ingest("t", {});
  assert.equal(server.requests.length, 2);
});

test("the time is limited as a whole", async (t) => {
  const server = await gate(t, () => "hang");
  const begin = performance.now();
  const error = await failure(server.client({ timeoutMs: 300, attemptTimeoutMs: 100, retries: 99 }).ingest("t", {}));
  assert.ok(performance.now() - begin < 1500);
  assert.equal(error.code, "timeout");
  assert.equal(error.status, 0);
  assert.equal(error.retryable, true);
  assert.equal(error.attempts, server.requests.length);
});

test("nobody there: all attempts, then a retryable error", async (t) => {
  const server = await gate(t);
  const error = await failure(sdk.createClient({
    url: "http://127.0.0.1:1", apiKey: "hush-hush", retries: 2, retryDelayMs: 1,
  }).ingest("t", {}, { idempotencyKey: "k" }));
  assert.equal(error.code, "network");
  assert.equal(error.attempts, 3);
  assert.equal(error.retryable, true);
  assert.equal(error.problems[0].idempotencyKey, "k");
  assert.ok(error.cause instanceof Error);
  assert.equal(JSON.stringify(error).includes("hush-hush") || error.message.includes("hush-hush"), false);
  assert.equal(server.requests.length, 0);
});

test("retries: 0 means once", async (t) => {
  const server = await gate(t, () => ({ status: 503 }));
  const error = await failure(server.client({ retries: 0 }).ingest("t", {}));
  assert.equal(server.requests.length, 1);
  assert.equal(error.code, "http_503");
  assert.equal(error.retryable, true);
});

test("pauses grow", async (t) => {
  const server = await gate(t, (n) => (n < 4 ? { status: 500 } : undefined));
  await server.client({ retryDelayMs: 40 }).ingest("t", {});
  const gaps = server.requests.slice(1).map((request, i) => request.at - server.requests[i].at);
  gaps.forEach((gap, i) => assert.ok(gap >= 20 * 2 ** i - 2, `pause ${i}: ${gap}`));
});

test("Retry-After in seconds is honoured", async (t) => {
  const server = await gate(t, (n) => (n < 1 ? { status: 429, headers: { "Retry-After": "1" } } : undefined));
  await server.client().ingest("t", {});
  assert.ok(server.requests[1].at - server.requests[0].at >= 990);
});

test("Retry-After as a date is honoured", async (t) => {
  const date = new Date(Date.now() + 2000).toUTCString();
  const server = await gate(t, (n) => (n < 1 ? { status: 503, headers: { "Retry-After": date } } : undefined));
  await server.client().ingest("t", {});
  assert.ok(server.requests[1].at - server.requests[0].at >= 800);
});

test("a Retry-After beyond the time limit ends it at once", async (t) => {
  const server = await gate(t, () => ({
    status: 503, headers: { "Retry-After": "3600" }, body: { error: { message: "full", code: "spool_full" } },
  }));
  const begin = performance.now();
  const error = await failure(server.client({ timeoutMs: 5000 }).ingest("t", {}));
  assert.ok(performance.now() - begin < 2000);
  assert.equal(error.code, "spool_full");
  assert.equal(error.retryable, true);
  assert.equal(server.requests.length, 1);
});

test("a Retry-After in the past or of no meaning does no harm", async (t) => {
  const values = ["Mon, 01 Jan 2001 00:00:00 GMT", "soon", "0"];
  const server = await gate(t, (n) => (n < 3 ? { status: 503, headers: { "Retry-After": values[n] } } : undefined));
  await server.client().ingest("t", {});
  assert.equal(server.requests.length, 4);
});

test("a refused event tells every problem", async (t) => {
  const problems = [
    { index: 0, path: "payload.a", rule: "type", message: "expected a string" },
    { index: 0, path: "payload.b", rule: "required", message: "is missing" },
  ];
  const server = await gate(t, () => ({
    status: 422, body: { error: { message: "the event is refused: payload.a ...", code: "schema", problems } },
  }));
  const error = await failure(server.client().ingest("t", {}, { idempotencyKey: "k" }));
  assert.equal(error.code, "schema");
  assert.equal(error.message, "the event is refused: payload.a ...");
  assert.deepEqual(error.problems, problems.map((one) => ({ ...one, code: "schema", idempotencyKey: "k" })));
});

test("what cannot be JSON is refused here", async (t) => {
  const server = await gate(t);
  const loop = {};
  loop.loop = loop;
  assert.equal((await failure(server.client().ingest("t", loop))).code, "invalid_event");
  const error = await failure(server.client().ingest("t", {}, { timestamp: new Date(NaN) }));
  assert.equal(error.code, "invalid_event");
  assert.equal(error.retryable, false);
  assert.equal(server.requests.length, 0);
});

test("what JSON could only write as null is refused, each by its name", async (t) => {
  const server = await gate(t);
  const same = { rate: -Infinity };
  const error = await failure(server.client().ingest("t", {
    n: NaN, fine: [0, -0, 1e308, null, undefined], items: [{ price: 1 }, { price: Infinity, tags: [[2, NaN]] }],
    "unit price": NaN, "a.b": { c: new Number(NaN) }, at: new Date(NaN), größe: same, again: [same, same],
  }, { idempotencyKey: "k" }));
  assert.equal(error.code, "invalid_event");
  assert.equal(error.message, "payload.n: is NaN, which JSON has no number for");
  assert.deepEqual(error.problems.map(({ path, rule }) => `${path} ${rule}`), [
    "payload.n finite", "payload.items[1].price finite", "payload.items[1].tags[0][1] finite",
    'payload["unit price"] finite', 'payload["a.b"].c finite', "payload.at date", "payload.größe.rate finite",
    "payload.again[0].rate finite", "payload.again[1].rate finite",
  ]);
  assert.ok(error.problems.every((one) => one.index === 0 && one.code === "invalid_event" && one.idempotencyKey === "k"));
  assert.match(error.problems[1].message, /^is Infinity,/);
  assert.equal(server.requests.length, 0);
});

test("a bigint stays an integer where the application gives bigints a toJSON()", async (t) => {
  const server = await gate(t);
  t.after(() => delete BigInt.prototype.toJSON);
  BigInt.prototype.toJSON = function toJSON() { return `${this}`; };
  await server.client().ingest("t", { n: 12345678901234567890n, s: "1" });
  assert.match(server.requests[0].text, /"payload":\{"n":12345678901234567890,"s":"1"\}/);
});

test("no limit at all is no limit", async (t) => {
  const server = await gate(t);
  const client = server.client({ timeoutMs: Infinity, attemptTimeoutMs: Infinity, retries: 0 });
  assert.equal((await client.ingest("t", {})).status, "accepted");
});

test("a clock that is set while a request is tried does not end it", async (t) => {
  const server = await gate(t, (n) => (n < 2 ? { status: 503 } : undefined));
  const { now } = Date;
  let ahead = 0;
  t.mock.method(Date, "now", () => now() + (ahead += 3_600_000));
  assert.equal((await server.client().ingest("t", {})).status, "accepted");
});

test("wrong options say what is wrong, and nothing is sent", async (t) => {
  const server = await gate(t);
  for (const [options, message] of [
    [{ apiKey: "" }, /no API key/],
    [{ apiKey: "secret\nkey" }, /characters/],
    [{ url: "" }, /no url/],
    [{ url: "events.example.com" }, /not a URL/],
    [{ url: "ftp://events.example.com" }, /http:\/\/ or https:\/\//],
    [{ url: "http://u:p@events.example.com" }, /apiKey/],
    [{ retries: -1 }, /retries/],
    [{ timeoutMs: "5" }, /timeoutMs/],
  ]) {
    const error = await failure(server.client(options).ingest("t", {}));
    assert.equal(error.code, "not_configured");
    assert.match(error.message, message);
    assert.equal(error.message.includes("secret"), false);
  }
  assert.equal(server.requests.length, 0);
});

test("the environment and configure() feed the common client", async (t) => {
  const server = await gate(t);
  t.after(() => {
    delete process.env.INGESTLAYER_URL;
    delete process.env.INGESTLAYER_KEY;
  });
  assert.match((await failure(sdk.ingest("t", {}))).message, /INGESTLAYER_URL/);
  process.env.INGESTLAYER_URL = server.url;
  process.env.INGESTLAYER_KEY = "from-env\n";
  await sdk.ingest("t", {});
  sdk.configure({ apiKey: "configured" });
  await sdk.ingestBatch([{ type: "t", payload: {} }]);
  assert.deepEqual(server.requests.map((request) => request.headers.authorization),
    ["Bearer from-env", "Bearer configured"]);
  let called = 0;
  sdk.configure({ fetch: (...args) => (called++, fetch(...args)) });
  await sdk.ingest("t", {});
  assert.equal(called, 1);
});
