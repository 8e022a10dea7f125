// SPDX-License-Identifier: MIT
// Pages of another origin in a real browser, and the real daemon: nothing in
// between. The pages come from a server of their own that takes no events.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { chromium } from "./chromium.mjs";
import { makeDaemon, pageKey } from "./daemon.mjs";
import { root, until } from "./server.mjs";

let daemon;
let browser;
let port;

const page = () => `<!doctype html><meta charset="utf-8"><title>page</title><script type="module">
  globalThis.isReady = false;
  const { createClient, IngestError } = await import("/sdk/index.js");
  globalThis.lost = [];
  globalThis.make = (options = {}) => createClient({
    url: ${JSON.stringify(daemon.url)}, apiKey: ${JSON.stringify(pageKey)}, retryDelayMs: 20, retries: 0,
    onError: (error, events) => lost.push(error.code + " " + events.length), ...options });
  globalThis.used = (id) => ["feature.used", { user_id: id, count: 1 }];
  globalThis.outcome = (promise) => promise.then(({ status }) => status, ({ status, code }) => status + " " + code);
  globalThis.isReady = true;
</script>`;

const pages = createServer((req, res) => {
  const path = req.url.split("?")[0];
  const isScript = path.startsWith("/sdk/");
  res.writeHead(req.method === "GET" ? 200 : 405, { "Content-Type": isScript ? "text/javascript" : "text/html" });
  res.end(isScript ? readFileSync(new URL(`dist/esm/${path.slice(5)}`, root)) : page());
});

before(async () => {
  daemon = await makeDaemon();
  await daemon.start();
  await new Promise((done) => pages.listen(0, "127.0.0.1", done));
  ({ port } = pages.address());
  browser = await chromium(process.env.CHROMIUM);
});

after(async () => {
  await browser?.close();
  pages.closeAllConnections();
  pages.close();
  await daemon?.remove();
});

/** The page's host is localhost, which the key allows; the daemon's is not. */
const fresh = (host = "localhost") => browser.open(`http://${host}:${port}/`);

async function metric(name) {
  const text = await (await fetch(`${daemon.admin}/metrics`)).text();
  const line = text.split("\n").find((one) => one.startsWith(`ingestlayer_${name} `));
  return Number(line?.split(" ").at(-1) ?? 0);
}

test("a receipt, a batch that is packed, and refusals that can be read", async () => {
  const tab = await fresh();
  assert.equal(await tab.evaluate(`outcome(make().ingest(...used("receipt")))`), "accepted");
  assert.equal(await tab.evaluate(`make().ingestBatch(Array.from({ length: 300 }, (_, i) => {
    const [type, payload] = used("packed-" + i);
    return { type, payload };
  })).then((receipts) => receipts.length)`), 300);
  assert.equal(await tab.evaluate(`outcome(make().ingest("feature.used", { wrong: 1 }))`), "422 schema");
  assert.equal(await tab.evaluate(`outcome(make().ingest("order.paid", {}))`), "403 type_not_allowed");
  assert.equal(await tab.evaluate(`outcome(make({ apiKey: "wrong" }).ingest(...used("no")))`), "401 unauthorized");
  await tab.close();
});

test("a page of an origin that is not allowed sees and sends nothing", async () => {
  const tab = await fresh("127.0.0.1");
  const before = await metric('gate_accepted_total{source="app"}');
  assert.equal(await tab.evaluate(`outcome(make().ingest(...used("evil")))`), "0 network");
  // Without a question beforehand it arrives, and is refused by its origin.
  assert.equal(await tab.evaluate(`navigator.sendBeacon(${JSON.stringify(`${daemon.url}/v1/ingest?key=${pageKey}`)},
    JSON.stringify({ type: "page.left", payload: {} }))`), true);
  await until(async () => await metric('gate_refused_total{source="app",code="origin_not_allowed"}') === 1);
  assert.equal(await metric('gate_accepted_total{source="app"}'), before);
  await tab.close();
});

test("a page that is left sends what waits, by a link and by closing the tab", async () => {
  for (const leave of ["link", "close"]) {
    const tab = await fresh();
    const before = await metric('gate_accepted_total{source="app"}');
    await tab.evaluate(`globalThis.client = make({ queue: { flushIntervalMs: 1e6, flushAt: 1000, storage: false } });
      for (let i = 0; i < 20; i++) client.track(...used("left-${leave}-" + i));`);
    if (leave === "link") await tab.evaluate(`void (location.href = "about:blank")`);
    else await tab.close();
    // Nothing is stored: what does not come now never does.
    await until(async () => await metric('gate_accepted_total{source="app"}') === before + 20, 10_000);
    if (leave === "link") await tab.close();
  }
});

test("a beacon of the page's own as it is closed", async () => {
  const tab = await fresh();
  await tab.evaluate(`addEventListener("pagehide", () => navigator.sendBeacon(
    ${JSON.stringify(`${daemon.url}/v1/ingest?key=${pageKey}`)},
    JSON.stringify({ type: "page.left", id: "beacon", payload: { user_id: "beacon" } })))`);
  const before = await metric('gate_accepted_total{source="app"}');
  await tab.close();
  await until(async () => await metric('gate_accepted_total{source="app"}') === before + 1, 10_000);
});

test("in the end the daemon has each event once, and the log has no key", async () => {
  const name = (prefix, n) => Array.from({ length: n }, (_, i) => `${prefix}-${i}`);
  const want = [
    "receipt", ...name("packed", 300), ...name("left-link", 20), ...name("left-close", 20), "beacon",
  ];
  const have = (await daemon.events()).map((event) => event.payload.user_id);
  assert.deepEqual(have.sort(), want.sort());
  assert.equal(daemon.log().includes(pageKey), false);
});
