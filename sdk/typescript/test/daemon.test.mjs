// SPDX-License-Identifier: MIT
// Against the daemon of the build tree.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { key, makeDaemon, skip, slowKey } from "./daemon.mjs";
import { runtimes } from "./runtimes.mjs";
import { failure, listener, root, sdk, until } from "./server.mjs";

let daemon;
/** Runtimes whose programs have ended. */
const ended = [];

before(async () => {
  if (skip) return;
  daemon = await makeDaemon();
  await daemon.start();
  sdk.configure({ url: daemon.url, apiKey: key });
});

after(() => daemon?.remove());

const used = (n) => ({ user_id: `u${n}`, count: n });

test("one event, and the same key again", { skip }, async () => {
  const first = await sdk.ingest("feature.used", used(1), { idempotencyKey: "once", timestamp: new Date() });
  assert.match(first.id, /^evt_[0-9A-Z]{26}$/);
  assert.equal(first.status, "accepted");
  const again = await sdk.ingest("feature.used", used(1), { idempotencyKey: "once" });
  assert.deepEqual(again, { id: first.id, status: "duplicate" });
});

test("a batch in several requests", { skip }, async () => {
  const receipts = await sdk.ingestBatch(
    Array.from({ length: 1234 }, (_, n) => ({ type: "feature.used", payload: used(n) })),
  );
  assert.equal(new Set(receipts.map((receipt) => receipt.id)).size, 1234);
  assert.ok(receipts.every((receipt) => receipt.status === "accepted"));
});

test("a rate slows the sender down and loses nothing", { skip }, async () => {
  const begun = performance.now();
  const statuses = [];
  const client = sdk.createClient({
    url: daemon.url, apiKey: slowKey, retryDelayMs: 1,
    async fetch(url, init) {
      const response = await fetch(url, init);
      statuses.push(response.status);
      return response;
    },
  });
  for (let n = 0; n < 3; n++) assert.equal((await client.ingest("feature.used", used(n))).status, "accepted");
  // The first at once, each other when Retry-After says so: no more questions than that.
  assert.deepEqual(statuses, [202, 429, 202, 429, 202]);
  assert.ok(performance.now() - begun > 1900);
});

test("a wrong event tells its fields", { skip }, async () => {
  const error = await failure(sdk.ingest("feature.used", { user_id: 42, count: "x" }));
  assert.equal(error.status, 422);
  assert.equal(error.retryable, false);
  assert.deepEqual(error.problems.map((problem) => problem.path).sort(), ["payload.count", "payload.user_id"]);
});

test("a mixed batch names the bad ones by place", { skip }, async () => {
  const error = await failure(sdk.ingestBatch([
    { type: "feature.used", payload: used(1) },
    { type: "feature.used", payload: {} },
    { type: "feature.usd", payload: used(2) },
    { type: "feature.used", payload: used(3) },
  ]));
  assert.deepEqual([...new Set(error.problems.map((problem) => problem.index))], [1, 2]);
  assert.equal(error.problems[0].path, "payload.user_id");
  assert.deepEqual(error.receipts.map((receipt) => receipt?.status), ["accepted", undefined, undefined, "accepted"]);
});

test("a batch of which all are bad names each", { skip }, async () => {
  const error = await failure(sdk.ingestBatch([
    { type: "feature.used", payload: {} }, { type: "feature.used", payload: [] },
  ]));
  assert.equal(error.status, 422);
  assert.deepEqual([...new Set(error.problems.map((problem) => problem.index))], [0, 1]);
});

test("a wrong key is refused, and final", { skip }, async () => {
  const error = await failure(sdk.createClient({ url: daemon.url, apiKey: "wrong" }).ingest("feature.used", used(1)));
  assert.equal(error.status, 401);
  assert.equal(error.attempts, 1);
  assert.equal(error.retryable, false);
});

test("an event that meets a dead daemon arrives once it is back", { skip }, async () => {
  const before = await sdk.ingest("feature.used", used(1), { idempotencyKey: "across" });
  await daemon.kill("SIGKILL");
  const client = sdk.createClient({ url: daemon.url, apiKey: key, retries: 50, retryDelayMs: 50, timeoutMs: 60_000 });
  const pending = client.ingest("feature.used", used(2));
  const known = client.ingest("feature.used", used(1), { idempotencyKey: "across" });
  await daemon.start();
  assert.equal((await pending).status, "accepted");
  assert.deepEqual(await known, { id: before.id, status: "duplicate" });
});

for (const { name, command: [program, ...args], skip: missing } of runtimes)
  test(`${name} has receipts, and sends what it tracked before it ends`, { skip: skip || missing }, (t) => {
    const folder = mkdtempSync(join(tmpdir(), "ingestlayer-sdk-runtime-"));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const file = join(folder, "program.mjs");
    writeFileSync(file, `
      const { ingestBatch, track } = await import(${JSON.stringify(new URL("dist/esm/index.js", root).href)});
      const events = Array.from({ length: 600 }, (_, n) => ({ type: "feature.used", payload: { user_id: "${name}", count: n } }));
      const receipts = await ingestBatch(events);
      console.log(receipts.filter(({ id, status }) => id.startsWith("evt_") && status === "accepted").length);
      for (let n = 0; n < 50; n++) track("feature.used", { user_id: "${name}", count: n }, { idempotencyKey: "${name}-" + n });`);
    const env = { ...process.env, INGESTLAYER_URL: daemon.url, INGESTLAYER_KEY: key, NODE_TEST_CONTEXT: "" };
    const { stdout, stderr } = spawnSync(program, [...args, file], { encoding: "utf8", env });
    assert.equal(stdout + stderr, "600\n");
    ended.push(name);
  });

const queue = { flushIntervalMs: 20, flushAt: 50 };

test("the queue delivers what it is given, packed", { skip }, async () => {
  const { heard, onError } = listener();
  const client = sdk.createClient({ url: daemon.url, apiKey: key, queue, onError, gzip: 1000 });
  for (let n = 0; n < 1500; n++) assert.equal(client.track("feature.used", used(n)), true);
  client.track("feature.used", { count: "x" });
  assert.deepEqual(await client.close(), { delivered: 1500, lost: 1, pending: 0 });
  assert.equal(heard.length, 1);
  assert.equal(heard[0].error.code, "schema");
  assert.deepEqual(heard[0].error.problems.map(({ path }) => path).sort(), ["payload.count", "payload.user_id"]);
});

test("nothing is lost or doubled by a daemon that is killed again and again", { skip }, async () => {
  const { heard, onError } = listener();
  const client = sdk.createClient({ url: daemon.url, apiKey: key, queue, onError, retryDelayMs: 20 });
  const total = 6000;
  let tracked = 0;
  const feed = setInterval(() => {
    for (let i = 0; i < 40 && tracked < total; i++) client.track("feature.used", { user_id: `kill-${tracked++}` });
  }, 5);
  for (let i = 0; i < 3; i++) {
    await new Promise((done) => setTimeout(done, 120));
    await daemon.kill("SIGKILL");
    await daemon.start();
  }
  await until(() => tracked === total, 30_000);
  clearInterval(feed);
  const { lost, pending } = await client.close({ timeoutMs: 60_000 });
  assert.deepEqual({ lost, pending }, { lost: 0, pending: 0 });
  assert.deepEqual(heard, []);
  const all = (await daemon.events()).map((event) => event.payload.user_id);
  for (const name of ended) assert.equal(all.filter((id) => id === name).length, 650, name);
  const ids = all.filter((id) => id.startsWith("kill-"));
  assert.equal(ids.length, total);
  assert.equal(new Set(ids).size, total);
});
