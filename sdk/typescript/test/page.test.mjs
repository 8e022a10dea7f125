// SPDX-License-Identifier: MIT
// Pages: the queue with a stand-in for what browsers have. The real thing is
// in browser.test.mjs.
import assert from "node:assert/strict";
import { test } from "node:test";

/** As the web has it; maxBytes as the quota. */
class Storage {
  items = new Map();
  constructor(maxBytes = Infinity) { this.maxBytes = maxBytes; }
  get length() { return this.items.size; }
  key(i) { return [...this.items.keys()][i] ?? null; }
  getItem(name) { return this.items.get(name) ?? null; }
  setItem(name, value) {
    const used = [...this.items].reduce((sum, [key, text]) => sum + key.length + text.length, 0);
    if (used + name.length + value.length > this.maxBytes) throw new Error("QuotaExceededError");
    this.items.set(name, value);
  }
  removeItem(name) { this.items.delete(name); }
}

// Before the SDK is loaded: it looks for a page then and later.
const page = new EventTarget();
globalThis.document = new EventTarget();
globalThis.document.visibilityState = "visible";
globalThis.addEventListener = page.addEventListener.bind(page);
const online = { onLine: true };
Object.defineProperty(globalThis, "navigator", { value: online, configurable: true });
const { gate, keyOf, listener, sdk, take, until } = await import("./server.mjs");

const far = { flushIntervalMs: 3_600_000 };
const hide = () => {
  document.visibilityState = "hidden";
  document.dispatchEvent(new Event("visibilitychange"));
  document.visibilityState = "visible";
};

test("what was not answered is sent by the next page, with the same keys", async (t) => {
  let isAway = true;
  const server = await gate(t, (n, body, self) => (isAway ? (take(self, body), "reset") : undefined));
  const storage = new Storage();
  const first = server.client({ queue: { ...far, storage } });
  for (let i = 0; i < 3; i++) first.track("t", { i });
  assert.equal(storage.length, 3);
  const report = first.flush({ timeoutMs: 500 });
  await until(() => server.taken.size === 3);
  assert.deepEqual(await report, { delivered: 0, lost: 0, pending: 3 });
  const keys = [...server.taken.keys()];
  isAway = false;
  // The page is gone; the next one has a queue of its own.
  const second = server.client({ queue: { ...far, storage } });
  assert.deepEqual(await second.flush(), { delivered: 3, lost: 0, pending: 0 });
  const last = server.requests.at(-1).body.events;
  assert.deepEqual(last.map(keyOf), keys);
  assert.deepEqual(last.map((event) => event.payload.i), [0, 1, 2]);
  assert.equal(server.taken.size, 3);
  assert.equal(storage.length, 0);
  await first.close({ timeoutMs: 0 });
});

test("the store keeps events in order and says nothing of the key", async (t) => {
  const server = await gate(t, () => ({ status: 503 }));
  const storage = new Storage();
  const client = server.client({ apiKey: "hush-hush", queue: { ...far, storage } });
  for (let i = 0; i < 50; i++) client.track("t", { i });
  assert.equal(JSON.stringify([...storage.items]).includes("hush-hush"), false);
  // Another key, or another server: other events.
  assert.equal((await server.client({ queue: { storage } }).flush()).pending, 0);
  const report = server.client({ apiKey: "hush-hush", queue: { ...far, storage } }).flush({ timeoutMs: 500 });
  await until(() => server.requests.length);
  assert.equal((await report).pending, 50);
  assert.deepEqual(server.requests.at(-1).body.events.map((event) => event.payload.i), Array.from({ length: 50 }, (_, i) => i));
});

test("damaged entries are removed, others stay untouched", async (t) => {
  const server = await gate(t);
  const storage = new Storage();
  server.client({ queue: { ...far, storage } }).track("t", { i: 1 });
  const [name] = storage.items.keys();
  const prefix = name.slice(0, name.lastIndexOf(":") + 1);
  storage.setItem(`${prefix}a`, "{");
  storage.setItem(`${prefix}b`, "null");
  storage.setItem(`${prefix}c`, JSON.stringify({ at: 1, tried: 0, json: '{"type":"t","id":"other"}' }));
  storage.setItem(`${prefix}d`, JSON.stringify({ at: 1, tried: 0, json: "[" }));
  storage.setItem("other", "mine");
  const client = server.client({ queue: { ...far, storage } });
  assert.deepEqual(await client.flush(), { delivered: 1, lost: 0, pending: 0 });
  assert.deepEqual([...storage.items], [["other", "mine"]]);
});

test("a store that is full or forbidden does no harm", async (t) => {
  const server = await gate(t);
  for (const storage of [new Storage(300), new Proxy({}, { get() { throw new Error("SecurityError"); } })]) {
    const client = server.client({ queue: { ...far, storage } });
    for (let i = 0; i < 5; i++) assert.equal(client.track("t", { i }), true);
    assert.equal((await client.flush()).delivered, 5);
  }
});

test("refused and expired events leave the store", async (t) => {
  const server = await gate(t);
  const { heard, onError } = listener();
  const storage = new Storage();
  const client = server.client({ queue: { ...far, storage }, onError });
  client.track("t", { bad: true });
  await client.flush();
  assert.equal(storage.length, 0);
  client.track("t", { i: 1 });
  const [[name, text]] = storage.items;
  storage.setItem(name, text.replace('"tried":0', `"tried":${Date.now() - 24 * 3_600_000}`));
  const next = server.client({ queue: { ...far, storage }, onError });
  assert.deepEqual(await next.flush(), { delivered: 0, lost: 1, pending: 0 });
  await until(() => heard.length === 2);
  assert.equal(heard[1].error.code, "expired");
  assert.equal(storage.length, 0);
});

test("what a key left that nobody uses any more is removed one day, and told", async (t) => {
  const server = await gate(t);
  const { heard, onError } = listener();
  const storage = new Storage();
  const old = server.client({ apiKey: "old", queue: { ...far, storage } });
  old.track("t", { i: 1 });
  old.track("t", { i: 2 });
  const [[name, text]] = storage.items;
  storage.setItem(name, text.replace(/"at":[\d.]+/, `"at":${Date.now() - 31 * 86_400_000}`));
  storage.setItem("ingestlayer:of-others", "{");
  const client = server.client({ apiKey: "new", queue: { ...far, storage }, onError });
  assert.equal(client.track("t", { i: 3 }), true);
  await until(() => heard.length);
  assert.deepEqual(heard.map(({ error, events }) => [error.code, events.map((event) => event.payload.i)]), [["expired", [1]]]);
  assert.equal((await client.flush()).delivered, 1);
  assert.equal(storage.length, 2);
});

test("what waited for the network long before it was ever sent is no longer too old", async (t) => {
  const server = await gate(t);
  const storage = new Storage();
  server.client({ queue: { ...far, storage } }).track("t", { i: 1 });
  const [[name, text]] = storage.items;
  storage.setItem(name, text.replace(/"at":[\d.]+/, '"at":1000'));
  assert.equal((await server.client({ queue: { ...far, storage } }).flush()).delivered, 1);
});

test("fetch() is called as browsers want it", async (t) => {
  const server = await gate(t);
  const client = server.client({
    fetch(...args) {
      if (this !== undefined && this !== globalThis) throw new TypeError("Illegal invocation");
      return fetch(...args);
    },
    retries: 0,
  });
  assert.equal((await client.ingest("t", {})).status, "accepted");
});

test("two pages at a time: what one has sent the other does not send again", async (t) => {
  const server = await gate(t);
  const storage = new Storage();
  online.onLine = false;
  const first = server.client({ queue: { ...far, storage } });
  first.track("t", { i: 1 });
  const second = server.client({ queue: { ...far, storage } });
  second.track("t", { i: 2 });
  online.onLine = true;
  assert.equal((await first.flush()).delivered, 1);
  await second.flush();
  assert.deepEqual(server.requests.map(({ body }) => body.events.map((event) => event.payload.i)), [[1], [2]]);
  assert.equal(server.taken.size, 2);
});

test("without network nothing is tried; when it is back, all is sent", async (t) => {
  const server = await gate(t);
  const client = server.client({ queue: { flushIntervalMs: 10, storage: new Storage() } });
  online.onLine = false;
  client.track("t", { i: 1 });
  assert.deepEqual(await client.flush({ timeoutMs: 5000 }), { delivered: 0, lost: 0, pending: 1 });
  await new Promise((done) => setTimeout(done, 50));
  assert.equal(server.requests.length, 0);
  online.onLine = true;
  page.dispatchEvent(new Event("online"));
  await until(() => server.taken.size === 1);
});

test("a page that is hidden sends what waits in a request that outlives it", async (t) => {
  const server = await gate(t);
  const inits = [];
  const storage = new Storage();
  const client = server.client({
    queue: { ...far, storage }, fetch: (url, init) => (inits.push(init), fetch(url, init)),
  });
  for (let i = 0; i < 3; i++) client.track("t", { i });
  hide();
  assert.equal(inits.length, 1); // begun before the listener returns
  assert.equal(inits[0].keepalive, true);
  assert.equal(typeof inits[0].body, "string");
  hide();
  page.dispatchEvent(new Event("pagehide"));
  assert.equal(inits.length, 1); // once is enough
  await until(() => storage.length === 0);
  assert.equal(server.taken.size, 3);
  assert.equal((await client.flush()).delivered, 0);
});

test("a page of another origin leaves as a beacon: no header, and so no question beforehand", async (t) => {
  const server = await gate(t, (n) => (n ? undefined : { status: 403, body: { error: { code: "key_in_url" } } }));
  globalThis.location = { origin: "https://app.example.com" };
  t.after(() => delete globalThis.location);
  const storage = new Storage();
  const client = server.client({ apiKey: "pk+web", queue: { ...far, storage } });
  client.track("t", { i: 1 });
  hide();
  await until(() => server.requests.length === 1);
  const [{ path, headers }] = server.requests;
  assert.equal(path, "/v1/ingest?key=pk%2Bweb");
  assert.match(headers["content-type"], /^text\/plain/);
  assert.equal(headers.authorization, undefined);
  // Refused like that, nothing is given up: the usual way has the last word.
  await new Promise((done) => setTimeout(done, 20));
  assert.equal((await client.flush()).delivered, 1);
  assert.equal(server.requests[1].path, "/v1/ingest");
  assert.equal(server.requests[1].headers.authorization, "Bearer pk+web");
});

test("it holds what browsers let pass, and what is under way as well", async (t) => {
  const server = await gate(t, (n) => (n ? undefined : "hang"));
  const storage = new Storage();
  const client = server.client({ queue: { ...far, flushAt: 2, flushBytes: 1e6, storage }, gzip: false });
  const text = "x".repeat(25_000);
  client.track("t", { i: 0, text });
  client.track("t", { i: 1, text });
  await until(() => server.requests.length === 1);
  for (let i = 2; i < 6; i++) client.track("t", { i, text });
  hide();
  await until(() => server.requests.length === 2);
  assert.deepEqual(server.requests[1].body.events.map((event) => event.payload.i), [0, 1]);
  assert.ok(server.requests[1].raw.length <= 64 * 1024);
  await until(() => storage.length === 4);
  await client.close({ timeoutMs: 0 });
  assert.equal(storage.length, 4); // for the next page
  assert.equal((await server.client({ queue: { ...far, storage } }).flush()).delivered, 4);
  assert.equal(server.taken.size, 6);
});

test("localStorage is used where there is a page, and is not where it is turned off", async (t) => {
  const server = await gate(t, () => ({ status: 503 }));
  globalThis.localStorage = new Storage();
  t.after(() => delete globalThis.localStorage);
  server.client({ queue: { ...far, storage: false } }).track("t", {});
  assert.equal(localStorage.length, 0);
  server.client({ queue: far }).track("t", {});
  assert.equal(localStorage.length, 1);
});
