// SPDX-License-Identifier: MIT
import assert from "node:assert/strict";
import { test } from "node:test";
import { failure, gate } from "./server.mjs";

const many = (n, payload = (i) => ({ i })) =>
  Array.from({ length: n }, (_, i) => ({ type: "t", payload: payload(i) }));

test("nothing to send is nothing sent", async (t) => {
  const server = await gate(t);
  assert.deepEqual(await server.client().ingestBatch([]), []);
  assert.equal(server.requests.length, 0);
});

test("long batches are cut at 500 events and stay in order", async (t) => {
  const server = await gate(t);
  const receipts = await server.client().ingestBatch(many(1201));
  assert.deepEqual(server.requests.map((request) => request.body.events.length), [500, 500, 201]);
  assert.equal(receipts.length, 1201);
  assert.equal(receipts[1200].id, "evt_1200");
  assert.deepEqual(server.requests.flatMap((request) => request.body.events.map((event) => event.payload.i)),
    Array.from({ length: 1201 }, (_, i) => i));
});

test("large batches are cut at 4 MiB, counted in bytes", async (t) => {
  const server = await gate(t);
  const text = "\u00e4".repeat(300_000); // 600 kB
  await server.client().ingestBatch(many(15, () => ({ text })));
  assert.ok(server.requests.length >= 3);
  for (const request of server.requests) assert.ok(Buffer.byteLength(request.text) <= 4 * 1024 * 1024);
  assert.equal(server.taken.size, 15);
});

test("the bad ones are named by place, the others are taken", async (t) => {
  const server = await gate(t);
  const error = await failure(server.client().ingestBatch(many(1000, (i) => ({ i, bad: i === 3 || i === 777 }))));
  assert.equal(server.taken.size, 998);
  assert.deepEqual(error.problems.map(({ index, code, path, rule }) => ({ index, code, path, rule })), [
    { index: 3, code: "schema", path: "payload.bad", rule: "type" },
    { index: 777, code: "schema", path: "payload.bad", rule: "type" },
  ]);
  assert.equal(error.receipts.length, 1000);
  assert.equal(error.receipts[3], undefined);
  assert.equal(error.receipts[4].status, "accepted");
  assert.equal(error.retryable, false);
  assert.match(error.message, /^2 of 1000 events were not taken; the first \(index 3\): payload\.bad: expected/);
});

test("a request of which all are bad does not hold up the next", async (t) => {
  const server = await gate(t);
  const error = await failure(server.client().ingestBatch(many(600, (i) => ({ bad: i < 500 }))));
  assert.equal(server.requests.length, 2);
  assert.equal(server.taken.size, 100);
  assert.equal(error.problems.length, 500);
  assert.equal(error.status, 422);
});

test("one that cannot be JSON does not hold up the others", async (t) => {
  const server = await gate(t);
  const events = many(3);
  events[1].payload.self = events[1].payload;
  const error = await failure(server.client().ingestBatch(events));
  assert.deepEqual(error.problems.map(({ index, code }) => ({ index, code })), [{ index: 1, code: "invalid_event" }]);
  assert.deepEqual(error.receipts.map((receipt) => receipt?.status), ["accepted", undefined, "accepted"]);
});

test("receipts that the server leaves out are as sent", async (t) => {
  const server = await gate(t, () => ({ status: 202, body: { data: { accepted: 2, duplicates: 0, events: [] } } }));
  const events = many(2).map((event, i) => ({ ...event, idempotencyKey: `k${i}` }));
  assert.deepEqual(await server.client().ingestBatch(events),
    [{ id: "k0", status: "accepted" }, { id: "k1", status: "accepted" }]);
});

test("a server with smaller limits gets halves", async (t) => {
  const server = await gate(t, (n, body) => (body.events.length > 100 ? { status: 413 } : undefined));
  const receipts = await server.client().ingestBatch(many(350));
  assert.equal(server.taken.size, 350);
  assert.equal(new Set(receipts.map((receipt) => receipt.id)).size, 350);
});

test("one that is too large alone is named, the others are taken", async (t) => {
  const server = await gate(t, (n, body) =>
    body.events.some((event) => event.payload.i === 5)
      ? { status: 413, body: { error: { message: "too large", code: "body_too_large" } } } : undefined);
  const error = await failure(server.client().ingestBatch(many(10)));
  assert.deepEqual(error.problems.map(({ index, code }) => ({ index, code })), [{ index: 5, code: "body_too_large" }]);
  assert.equal(server.taken.size, 9);
});

test("when the second half fails for good, it is named as well", async (t) => {
  const server = await gate(t, (n) => (n === 0 ? { status: 413 } : { status: 503 }));
  const error = await failure(server.client({ retries: 0 }).ingestBatch(many(600)));
  assert.deepEqual([...new Set(error.problems.map(({ index }) => index))], Array.from({ length: 600 }, (_, i) => i));
  assert.ok(error.problems.every(({ idempotencyKey }) => idempotencyKey));
});

test("when the server is away, what was not sent is named as well", async (t) => {
  const server = await gate(t, (n) => (n === 0 ? undefined : { status: 503 }));
  const error = await failure(server.client({ retries: 1 }).ingestBatch(many(1500)));
  assert.equal(server.requests.length, 3); // one taken, one tried twice
  assert.equal(error.problems.length, 1000);
  assert.equal(error.retryable, true);
  assert.equal(error.receipts[499].status, "accepted");
  assert.match(error.problems[999].message, /^not sent: /);
  // And again, with the keys that the error names: each once.
  const rest = error.problems.map(({ index, idempotencyKey }) => ({ ...many(1500)[index], idempotencyKey }));
  assert.equal(new Set(rest.map((event) => event.idempotencyKey)).size, 1000);
});

test("a wrong key ends it at once", async (t) => {
  const server = await gate(t, () => ({ status: 401, body: { error: { message: "unknown key", code: "unauthorized" } } }));
  const error = await failure(server.client().ingestBatch(many(1500)));
  assert.equal(server.requests.length, 1);
  assert.equal(error.problems.length, 1500);
  assert.equal(error.code, "unauthorized");
});

test("a batch whose answer was lost does not count twice", async (t) => {
  const { take } = await import("./server.mjs");
  const server = await gate(t, (n, body, self) => (n % 2 ? undefined : (take(self, body), "reset")));
  const receipts = await server.client().ingestBatch(many(900));
  assert.equal(server.taken.size, 900);
  assert.ok(receipts.every((receipt) => receipt.status === "duplicate"));
});
