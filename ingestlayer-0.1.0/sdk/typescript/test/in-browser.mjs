// SPDX-License-Identifier: MIT
// The SDK in a real browser against the real daemon. A proxy serves the pages,
// passes requests on, and can be told to be away or to lose answers.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { chromium } from "./chromium.mjs";
import { key, makeDaemon } from "./daemon.mjs";
import { root, until } from "./server.mjs";

let daemon;
let browser;
let origin;
/** "pass", "away" (no answer), "lose" (passed on, but the answer is lost). */
let mood = "pass";
/** Requests that reached the proxy. */
const requests = [];

const page = `<!doctype html><meta charset="utf-8"><title>page</title><script type="module">
  globalThis.isReady = false;
  const { createClient } = await import("/sdk/index.js");
  globalThis.lost = [];
  globalThis.make = (queue = {}, url = location.origin) => createClient({
    url, apiKey: ${JSON.stringify(key)}, retryDelayMs: 20, queue,
    onError: (error, events) => lost.push(error.code + " " + events.length) });
  globalThis.used = (id) => ["feature.used", { user_id: id, count: 1 }];
  globalThis.isReady = true;
</script>`;

const proxy = createServer(async (req, res) => {
  const path = req.url.split("?")[0];
  if (req.method === "GET" && path.startsWith("/sdk/")) {
    res.writeHead(200, { "Content-Type": "text/javascript" });
    return res.end(readFileSync(new URL(`dist/esm/${path.slice(5)}`, root)));
  }
  if (req.method === "GET") {
    res.writeHead(200, { "Content-Type": "text/html" });
    return res.end(page);
  }
  const chunks = [];
  for await (const chunk of req) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  requests.push({ encoding: req.headers["content-encoding"], bytes: body.length });
  if (mood === "away") return req.socket.destroy();
  const { authorization, "content-type": type, "content-encoding": encoding } = req.headers;
  const answer = await fetch(daemon.url + req.url, {
    method: "POST", body,
    headers: { authorization, "content-type": type, ...(encoding && { "content-encoding": encoding }) },
  });
  const text = await answer.text();
  if (mood === "lose") return req.socket.destroy();
  res.writeHead(answer.status, { "Content-Type": "application/json" });
  return res.end(text);
});

before(async () => {
  daemon = await makeDaemon();
  await daemon.start();
  await new Promise((done) => proxy.listen(0, "127.0.0.1", done));
  origin = `http://127.0.0.1:${proxy.address().port}`;
  browser = await chromium(process.env.CHROMIUM);
});

after(async () => {
  await browser?.close();
  proxy.closeAllConnections();
  proxy.close();
  await daemon?.remove();
});

async function fresh(path = "/") {
  mood = "pass";
  requests.length = 0;
  return browser.open(origin + path);
}

const waiting = `Object.keys(localStorage).filter((name) => name.startsWith("ingestlayer:")).length`;

test("a receipt, a queue, and a refusal", async () => {
  const tab = await fresh();
  assert.equal(await tab.evaluate(`make().ingest(...used("receipt")).then(({ status }) => status)`), "accepted");
  assert.deepEqual(await tab.evaluate(`(async () => {
    const client = make({ flushIntervalMs: 1e6 });
    for (let i = 0; i < 3; i++) client.track(...used("queue-" + i));
    client.track("feature.used", { wrong: 1 });
    const report = await client.flush();
    return { ...report, waiting: ${waiting}, lost: (await new Promise((done) => setTimeout(done, 10)), lost) };
  })()`), { delivered: 3, lost: 1, pending: 0, waiting: 0, lost: ["schema 1"] });
  await tab.close();
});

test("what is large is packed", async () => {
  const tab = await fresh();
  assert.equal(await tab.evaluate(`make().ingestBatch(Array.from({ length: 300 }, (_, i) => {
    const [type, payload] = used("packed-" + i);
    return { type, payload };
  })).then((receipts) => receipts.length)`), 300);
  assert.equal(requests[0].encoding, "gzip");
  assert.ok(requests[0].bytes < 20_000);
  await tab.close();
});

test("a page that is left sends what waits, by a link and by closing the tab", async () => {
  for (const leave of ["link", "close"]) {
    const tab = await fresh();
    await tab.evaluate(`globalThis.client = make({ flushIntervalMs: 1e6, flushAt: 1000 });
      for (let i = 0; i < 20; i++) client.track(...used("left-${leave}-" + i));`);
    assert.equal(requests.length, 0);
    if (leave === "link") await tab.evaluate(`void (location.href = "about:blank")`);
    else await tab.close();
    await until(() => requests.length > 0);
    if (leave === "link") await tab.close();
  }
  // The pages did not see the answers: the next one asks once more.
  const tab = await fresh();
  assert.deepEqual(await tab.evaluate(`make().flush().then(({ lost, pending }) => ({ lost, pending, waiting: ${waiting} }))`),
    { lost: 0, pending: 0, waiting: 0 });
  await tab.close();
});

test("what got no answer is sent again after a reload, and counts once", async () => {
  const tab = await fresh();
  mood = "lose";
  const report = await tab.evaluate(`(async () => {
    const client = make({ flushIntervalMs: 1e6 });
    for (let i = 0; i < 5; i++) client.track(...used("reload-" + i));
    return client.flush({ timeoutMs: 2000 });
  })()`);
  assert.deepEqual(report, { delivered: 0, lost: 0, pending: 5 });
  assert.equal(await tab.evaluate(waiting), 5);
  mood = "pass";
  await tab.go(`${origin}/?again`);
  const again = await tab.evaluate(`make().flush()`);
  // What the page sent while it was left may have been answered by now.
  assert.equal(again.pending + again.lost, 0);
  await until(() => tab.evaluate(`${waiting} === 0`));
  await tab.close();
});

test("a browser that was closed and a network that is away lose nothing", async () => {
  const tab = await fresh();
  mood = "away";
  await tab.evaluate(`make({ flushIntervalMs: 1 }).track(...used("away"))`);
  await until(() => requests.length > 0);
  await tab.close();
  const next = await fresh();
  const { lost, pending } = await next.evaluate(`make().flush()`);
  assert.equal(lost + pending, 0); // delivered by now, whether this page did it or the last one
  assert.equal(await next.evaluate(waiting), 0);
  await next.close();
});

test("offline nothing is tried; online again, all is sent", async () => {
  const tab = await fresh();
  const network = (offline) => tab.call("Network.emulateNetworkConditions", {
    offline, latency: 0, downloadThroughput: -1, uploadThroughput: -1,
  });
  await tab.call("Network.enable");
  await network(true);
  assert.deepEqual(await tab.evaluate(`(async () => {
    globalThis.client = make({ flushIntervalMs: 1 });
    client.track(...used("offline"));
    return client.flush();
  })()`), { delivered: 0, lost: 0, pending: 1 });
  await network(false);
  await until(() => tab.evaluate(`${waiting} === 0`));
  await tab.close();
});

test("two tabs at once", async () => {
  const tabs = [await fresh(), await fresh()];
  const reports = await Promise.all(tabs.map((tab, n) => tab.evaluate(`(async () => {
    const client = make({ flushIntervalMs: 5 });
    for (let i = 0; i < 200; i++) client.track(...used("tab-${n}-" + i));
    return client.flush();
  })()`)));
  assert.ok(reports.every(({ lost, pending }) => lost + pending === 0), JSON.stringify(reports));
  for (const tab of tabs) await tab.close();
});

test("in the end the daemon has each event once", async () => {
  const name = (prefix, n) => Array.from({ length: n }, (_, i) => `${prefix}-${i}`);
  const want = [
    "receipt", ...name("queue", 3), ...name("packed", 300), ...name("left-link", 20), ...name("left-close", 20),
    ...name("reload", 5), "away", "offline", ...name("tab-0", 200), ...name("tab-1", 200),
  ];
  const have = (await daemon.events()).map((event) => event.payload.user_id);
  assert.deepEqual(have.sort(), want.sort());
});
