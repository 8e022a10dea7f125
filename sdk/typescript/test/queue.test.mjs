// SPDX-License-Identifier: MIT
import assert from "node:assert/strict";
import { test } from "node:test";
import { gate, keyOf, listener, take, until } from "./server.mjs";

const sent = (server) => server.requests.map((request) => request.body.events.map((event) => event.payload.i));
const far = { flushIntervalMs: 3_600_000 };
const fill = (client, n, from = 0) => {
  for (let i = from; i < from + n; i++) client.track("t", { i });
};

test("what is tracked is sent together once the time is over", async (t) => {
  const server = await gate(t);
  const client = server.client({ queue: { flushIntervalMs: 80 } });
  const begin = performance.now();
  assert.equal(client.track("feature.used", { i: 0 }), true);
  assert.equal(client.track("feature.used", { i: 1 }, { idempotencyKey: "mine" }), true);
  await until(() => server.taken.size === 2);
  assert.ok(performance.now() - begin >= 75);
  assert.deepEqual(sent(server), [[0, 1]]);
  assert.ok(server.taken.has("mine"));
  assert.equal(server.requests[0].path, "/v1/ingest");
});

test("enough events are sent at once, and so are enough bytes", async (t) => {
  const server = await gate(t);
  const byCount = server.client({ queue: { ...far, flushAt: 3 } });
  fill(byCount, 2);
  await new Promise((done) => setTimeout(done, 40));
  assert.equal(server.requests.length, 0);
  fill(byCount, 1, 2);
  await until(() => server.taken.size === 3);
  const byBytes = server.client({ queue: { ...far, flushBytes: 5000 } });
  byBytes.track("t", { text: "x".repeat(3000) });
  byBytes.track("t", { text: "x".repeat(3000) });
  await until(() => server.taken.size === 5);
});

test("an event is dated, and its payload is as it was, when it was tracked", async (t) => {
  const server = await gate(t);
  const client = server.client({ queue: far });
  const payload = { i: 1 };
  const before = Date.now();
  client.track("t", payload);
  client.track("t", {}, { timestamp: "2026-01-01T00:00:00Z" });
  const after = Date.now();
  payload.i = 2;
  await new Promise((done) => setTimeout(done, 30));
  await client.flush();
  const [first, second] = server.requests[0].body.events;
  assert.equal(first.payload.i, 1);
  assert.ok(Date.parse(first.timestamp) >= before && Date.parse(first.timestamp) <= after);
  assert.equal(second.timestamp, "2026-01-01T00:00:00Z");
});

test("flush() resolves once all that was tracked before is answered", async (t) => {
  const server = await gate(t);
  const client = server.client({ queue: { ...far, flushAt: 10_000, maxEvents: 5000 } });
  assert.deepEqual(await client.flush(), { delivered: 0, lost: 0, pending: 0 });
  fill(client, 1200);
  const report = client.flush();
  fill(client, 1, 1200);
  assert.deepEqual(await report, { delivered: 1200, lost: 0, pending: 0 });
  assert.ok(server.taken.size >= 1200);
  assert.deepEqual(await client.flush(), { delivered: server.taken.size - 1200 ? 0 : 1, lost: 0, pending: 0 });
  assert.deepEqual(sent(server).flat(), Array.from({ length: 1201 }, (_, i) => i));
  assert.ok(sent(server).every((request) => request.length <= 500));
});

test("flush() reports what is not answered in time, and it waits on", async (t) => {
  let isAway = true;
  const server = await gate(t, () => (isAway ? { status: 503 } : undefined));
  const { heard, onError } = listener();
  const client = server.client({ queue: far, onError });
  fill(client, 3);
  const begin = performance.now();
  assert.deepEqual(await client.flush({ timeoutMs: 150 }), { delivered: 0, lost: 0, pending: 3 });
  assert.ok(performance.now() - begin < 1000);
  isAway = false;
  assert.deepEqual(await client.flush(), { delivered: 3, lost: 0, pending: 0 });
  assert.deepEqual(heard, []);
});

test("flush() does not wait when the server wants it to come much later", async (t) => {
  const server = await gate(t, () => ({ status: 429, headers: { "Retry-After": "60" } }));
  const client = server.client({ queue: far });
  fill(client, 1);
  const begin = performance.now();
  assert.deepEqual(await client.flush({ timeoutMs: 5000 }), { delivered: 0, lost: 0, pending: 1 });
  assert.deepEqual(await client.flush({ timeoutMs: 5000 }), { delivered: 0, lost: 0, pending: 1 });
  assert.ok(performance.now() - begin < 2000);
  assert.equal(server.requests.length, 1); // what the server says holds for flush() as well
});

test("a server that is away is asked again, later each time, until it is back", async (t) => {
  const server = await gate(t, (n) => (n < 4 ? (n % 2 ? "reset" : { status: 500 }) : undefined));
  const { heard, onError } = listener();
  const client = server.client({ retries: 0, retryDelayMs: 40, queue: { flushIntervalMs: 1 }, onError });
  fill(client, 5);
  await until(() => server.taken.size === 5);
  assert.equal(server.requests.length, 5);
  const gaps = server.requests.slice(1).map((request, i) => request.at - server.requests[i].at);
  gaps.forEach((gap, i) => assert.ok(gap >= 20 * 2 ** i - 2, `pause ${i}: ${gap}`));
  assert.equal(new Set(server.requests.map(({ body }) => keyOf(body.events[0]))).size, 1);
  assert.deepEqual(heard, []);
});

test("Retry-After is honoured", async (t) => {
  const server = await gate(t, (n) => (n < 1 ? { status: 429, headers: { "Retry-After": "1" } } : undefined));
  const client = server.client({ queue: { flushIntervalMs: 1 } });
  fill(client, 1);
  await until(() => server.taken.size === 1);
  assert.ok(server.requests[1].at - server.requests[0].at >= 990);
});

test("events whose answer was lost do not count twice", async (t) => {
  const server = await gate(t, (n, body, self) => (n ? undefined : (take(self, body), "reset")));
  const client = server.client({ queue: far });
  fill(client, 10);
  assert.deepEqual(await client.flush(), { delivered: 10, lost: 0, pending: 0 });
  assert.equal(server.requests.length, 2);
  assert.equal(server.taken.size, 10);
});

test("refused events are handed to onError, the others arrive", async (t) => {
  const server = await gate(t);
  const { heard, onError } = listener();
  const client = server.client({ queue: far, onError });
  for (let i = 0; i < 10; i++) client.track("t", { i, ...(i % 4 === 3 && { bad: true }) }, { idempotencyKey: `k${i}` });
  assert.deepEqual(await client.flush(), { delivered: 8, lost: 2, pending: 0 });
  await until(() => heard.length);
  const [{ error, events }] = heard;
  assert.equal(heard.length, 1);
  assert.equal(error.name, "IngestError");
  assert.equal(error.code, "schema");
  assert.deepEqual(events.map((event) => event.payload.i), [3, 7]);
  assert.deepEqual(events.map((event) => event.idempotencyKey), ["k3", "k7"]);
  assert.deepEqual(error.problems.map(({ index, path, idempotencyKey }) => ({ index, path, idempotencyKey })),
    [{ index: 0, path: "payload.bad", idempotencyKey: "k3" }, { index: 1, path: "payload.bad", idempotencyKey: "k7" }]);
  assert.match(events[0].timestamp, /^20/);
});

const wrongKey = { status: 401, body: { error: { message: "unknown key", code: "unauthorized" } } };

test("a wrong key loses events to onError, not to silence", async (t) => {
  const server = await gate(t, () => wrongKey);
  const { heard, onError } = listener();
  const client = server.client({ queue: { ...far, maxShutMs: 0 }, onError });
  fill(client, 2);
  assert.deepEqual(await client.flush(), { delivered: 0, lost: 2, pending: 0 });
  await until(() => heard.length);
  assert.equal(heard[0].error.code, "unauthorized");
  assert.equal(heard[0].error.message, "2 events are lost: unknown key");
  assert.equal(heard[0].error.problems.length, 2);
});

const page = { status: 404, headers: { "Content-Type": "text/html" }, body: "<h1>nothing here</h1>" };
for (const [what, answer] of [
  ["a key that is not known yet", wrongKey],
  ["a key that may not yet", { status: 403, body: { error: { message: "no", code: "forbidden" } } }],
  ["a path that is not there yet", { status: 404, body: { error: { message: "no", code: "not_found" } } }],
  ["a proxy's 404", page],
  ["a proxy's 403", { ...page, status: 403 }],
  ["a proxy's page for maintenance", { ...page, status: 405 }],
  ["a proxy's detour", { status: 302, headers: { Location: "/login" } }],
  ["a page of somebody else", { ...page, status: 200 }],
])
  test(`${what} loses nothing that waits`, async (t) => {
    const server = await gate(t, (n) => (n < 3 ? answer : undefined));
    const { heard, onError } = listener();
    const client = server.client({ queue: { flushIntervalMs: 1 }, retryDelayMs: 10, onError });
    fill(client, 3);
    await until(() => server.taken.size === 3);
    assert.equal(server.requests.length, 4);
    const gaps = server.requests.slice(1).map((request, i) => request.at - server.requests[i].at);
    gaps.forEach((gap, i) => assert.ok(gap >= 5 * 2 ** i - 2, `pause ${i}: ${gap}`));
    assert.equal(new Set(server.requests.map(({ body }) => keyOf(body.events[0]))).size, 1);
    assert.deepEqual(heard, []);
  });

test("a gate that stays shut costs each event once its own time is over", async (t) => {
  const server = await gate(t, () => page);
  const { heard, onError } = listener();
  const client = server.client({ queue: { flushIntervalMs: 1, maxShutMs: 200 }, onError });
  for (let i = 0; i < 2; i++) {
    const begin = performance.now();
    fill(client, 1, i);
    await until(() => heard.length === i + 1);
    assert.ok(performance.now() - begin >= 200);
  }
  assert.deepEqual(heard.map(({ error }) => [error.code, error.status]), [["http_404", 404], ["http_404", 404]]);
  assert.deepEqual(heard.map(({ events }) => events.map((event) => event.payload.i)), [[0], [1]]);
});

test("what the gate has read and refused is final, whatever its status", async (t) => {
  const problems = [{ index: 0, path: "type", rule: "allowed", message: "this key may not send it" }];
  const server = await gate(t, () => ({ status: 403, body: { error: { message: "no", code: "type_not_allowed", problems } } }));
  const client = server.client({ queue: far, onError() {} });
  fill(client, 1);
  assert.deepEqual(await client.flush(), { delivered: 0, lost: 1, pending: 0 });
});

test("without onError a gate that is shut is told once, before anything is lost", async (t) => {
  const server = await gate(t, (n) => (n < 3 ? wrongKey : undefined));
  const lines = [];
  t.mock.method(console, "error", (line) => lines.push(line));
  const client = server.client({ queue: far });
  fill(client, 2);
  assert.equal((await client.flush()).delivered, 2);
  assert.deepEqual(lines, ["ingestlayer: events wait and are tried again; unauthorized: unknown key"]);
});

test("what is given up says what was met last", async (t) => {
  const server = await gate(t, () => wrongKey);
  const { heard, onError } = listener();
  const client = server.client({ queue: far, onError });
  fill(client, 1);
  await client.close({ timeoutMs: 50 });
  const [{ error }] = heard;
  assert.equal(error.code, "closed");
  assert.equal(error.status, 401);
  assert.match(error.message, /it was tried: unknown key$/);
});

test("a number that is none is refused by its name, and the others are sent", async (t) => {
  const server = await gate(t);
  const { heard, onError } = listener();
  const client = server.client({ queue: far, onError });
  assert.equal(client.track("t", { items: [{ price: NaN }] }), false);
  assert.equal(client.track("t", { i: 1 }), true);
  assert.equal((await client.flush()).delivered, 1);
  await until(() => heard.length);
  const [{ error, events }] = heard;
  assert.equal(error.code, "invalid_event");
  assert.equal(error.message, "payload.items[0].price: is NaN, which JSON has no number for");
  assert.deepEqual(error.problems.map(({ index, path }) => [index, path]), [[0, "payload.items[0].price"]]);
  assert.equal(events.length, 1);
});

test("a full queue refuses the newest", async (t) => {
  const server = await gate(t);
  const { heard, onError } = listener();
  const client = server.client({ queue: { ...far, maxEvents: 3 }, onError });
  assert.deepEqual([0, 1, 2, 3, 4].map((i) => client.track("t", { i })), [true, true, true, false, false]);
  await until(() => heard.length);
  assert.equal(heard.length, 1);
  assert.equal(heard[0].error.code, "queue_full");
  assert.match(heard[0].error.message, /^2 events are lost: the queue is full \(3 events/);
  assert.deepEqual(heard[0].events.map((event) => event.payload.i), [3, 4]);
  await client.flush();
  assert.deepEqual(sent(server), [[0, 1, 2]]);
});

test("or the oldest, but none that is under way", async (t) => {
  const server = await gate(t, (n) => (n ? undefined : "hang"));
  const { heard, onError } = listener();
  const client = server.client({
    attemptTimeoutMs: 200, queue: { ...far, flushAt: 2, maxEvents: 4, whenFull: "oldest" }, onError,
  });
  fill(client, 2);
  await until(() => server.requests.length === 1);
  fill(client, 4, 2);
  await until(() => heard.length);
  assert.deepEqual(heard[0].events.map((event) => event.payload.i), [2, 3]);
  assert.equal(heard[0].error.code, "queue_full");
  await client.flush();
  assert.deepEqual(sent(server).slice(1).flat(), [0, 1, 4, 5]);
});

test("bytes are bounded as well", async (t) => {
  const server = await gate(t);
  const { heard, onError } = listener();
  const client = server.client({ queue: { ...far, maxBytes: 10_000 }, onError });
  const text = "\u00e4".repeat(2000);
  assert.deepEqual([0, 1, 2].map(() => client.track("t", { text })), [true, true, false]);
  assert.equal(client.track("t", { text: text.repeat(3) }), false);
  await until(() => heard.length === 2);
  assert.deepEqual(heard.map(({ error }) => error.code), ["queue_full", "event_too_large"]);
  await client.flush();
  assert.equal(client.track("t", { text }), true); // there is room again
});

test("track() throws nothing, whatever it is given", async (t) => {
  const server = await gate(t);
  const { heard, onError } = listener();
  const loop = {};
  loop.loop = loop;
  const client = server.client({ queue: far, onError });
  assert.equal(client.track("t", loop), false);
  assert.equal(client.track("t", {}, { timestamp: new Date(NaN) }), false);
  assert.equal(client.track("t", { get x() { throw "up"; } }), false);
  assert.equal(client.track(), true); // the server says what it thinks of it
  await until(() => heard.length);
  assert.equal(heard[0].error.code, "invalid_event");
  assert.equal(heard[0].events.length, 3);
  assert.equal(heard[0].events[0].payload, loop);
  for (const options of [{ url: "" }, { apiKey: "" }, { queue: { maxEvents: 0 } }, { queue: { whenFull: "explode" } }]) {
    const wrong = server.client({ onError, ...options });
    heard.length = 0;
    assert.equal(wrong.track("t", {}), false);
    await until(() => heard.length);
    assert.equal(heard[0].error.code, "not_configured");
    assert.deepEqual(await wrong.flush(), { delivered: 0, lost: 0, pending: 0 });
  }
});

test("nothing that onError does reaches the application", async (t) => {
  const server = await gate(t);
  let calls = 0;
  const again = server.client({
    queue: { ...far, maxEvents: 1 },
    onError: () => {
      if (calls++ < 20) again.track("t", {});
      throw new Error("in onError");
    },
  });
  assert.equal(again.track("t", {}), true);
  assert.equal(again.track("t", {}), false);
  assert.equal(calls, 0); // not inside of track()
  await until(() => calls === 21);
  const rejects = server.client({ url: "", onError: async () => Promise.reject(new Error("in onError")) });
  assert.equal(rejects.track("t", {}), false);
  await new Promise((done) => setTimeout(done, 20));
});

test("without onError losses are logged, without the payload", async (t) => {
  const server = await gate(t);
  const lines = [];
  t.mock.method(console, "error", (line) => lines.push(line));
  const client = server.client({ queue: { ...far, maxEvents: 1 } });
  for (let i = 0; i < 50; i++) client.track("t", { secret: "hush" });
  await until(() => lines.length);
  for (let i = 0; i < 50; i++) client.track("t", { secret: "hush" });
  await new Promise((done) => setTimeout(done, 20));
  assert.equal(lines.length, 1);
  assert.match(lines[0], /^ingestlayer: events lost: 49; queue_full: /);
  assert.equal(lines[0].includes("hush"), false);
});

test("many losses at once are one call with their number", async (t) => {
  const server = await gate(t);
  const { heard, onError } = listener();
  const client = server.client({ queue: { ...far, maxEvents: 1 }, onError });
  fill(client, 3001);
  await until(() => heard.length);
  assert.equal(heard.length, 1);
  assert.equal(heard[0].events.length, 1000);
  assert.match(heard[0].error.message, /^3000 events are lost/);
});

test("close() sends what waits and takes no more", async (t) => {
  const server = await gate(t);
  const { heard, onError } = listener();
  const client = server.client({ queue: far, onError });
  fill(client, 3);
  const closing = client.close();
  assert.equal(client.track("t", { late: true }), false);
  assert.deepEqual(await closing, { delivered: 3, lost: 0, pending: 0 });
  assert.deepEqual(await client.close(), { delivered: 0, lost: 0, pending: 0 });
  assert.deepEqual(heard.map(({ error }) => error.code), ["closed"]);
  assert.equal(server.taken.size, 3);
});

test("what close() cannot send is reported, by number and to onError", async (t) => {
  const server = await gate(t, () => "hang");
  const { heard, onError } = listener();
  const client = server.client({ queue: far, onError });
  fill(client, 3);
  assert.deepEqual(await client.close({ timeoutMs: 60 }), { delivered: 0, lost: 0, pending: 3 });
  assert.equal(heard.length, 1);
  assert.equal(heard[0].error.code, "closed");
  assert.deepEqual(heard[0].events.map((event) => event.payload.i), [0, 1, 2]);
});

test("a server with smaller limits gets smaller requests", async (t) => {
  const server = await gate(t, (n, body) => (body.events.length > 40 ? { status: 413 } : undefined));
  const client = server.client({ queue: far });
  fill(client, 99);
  assert.deepEqual(await client.flush(), { delivered: 99, lost: 0, pending: 0 });
  assert.deepEqual(sent(server).filter((one) => one.length <= 40).flat(), Array.from({ length: 99 }, (_, i) => i));
});

test("one that is too large alone is lost, the others are not", async (t) => {
  const server = await gate(t, (n, body) =>
    body.events.some((event) => event.payload.i === 5)
      ? { status: 413, body: { error: { message: "too large", code: "body_too_large" } } } : undefined);
  const { heard, onError } = listener();
  const client = server.client({ queue: far, onError });
  fill(client, 10);
  assert.deepEqual(await client.flush(), { delivered: 9, lost: 1, pending: 0 });
  await until(() => heard.length);
  assert.deepEqual(heard[0].events.map((event) => event.payload.i), [5]);
});

test("what was sent long ago without an answer is given up: its key may be forgotten", async (t) => {
  const server = await gate(t, () => ({ status: 503 }));
  const { heard, onError } = listener();
  const client = server.client({ queue: { flushIntervalMs: 1, maxAgeMs: 60 }, onError });
  fill(client, 1);
  await until(() => heard.length);
  assert.equal(heard[0].error.code, "expired");
  assert.ok(server.requests.length > 1);
});

test("configure() reaches a queue that is in use", async (t) => {
  const [first, second] = [await gate(t), await gate(t)];
  const { sdk } = await import("./server.mjs");
  sdk.configure({ url: first.url, apiKey: "key", queue: far });
  sdk.track("t", { i: 1 });
  assert.equal((await sdk.flush()).delivered, 1);
  sdk.configure({ url: second.url, apiKey: "other" });
  sdk.track("t", { i: 2 });
  assert.equal((await sdk.close()).delivered, 1);
  assert.equal(second.requests[0].headers.authorization, "Bearer other");
  assert.equal(first.taken.size, 1);
});
