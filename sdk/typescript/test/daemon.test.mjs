// SPDX-License-Identifier: MIT
// Against the daemon of the build tree.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { failure, sdk } from "./server.mjs";

const build = process.env.IL_BUILDDIR ?? "";
const program = join(build, "ingestlayer");
const built = build !== "" && existsSync(join(build, "core", "ingestlayer"))
  && existsSync(join(build, "plugins/sdk.event/.libs/sdk.event.so"));
const skip = built ? false : "the daemon is not built (IL_BUILDDIR)";

const dir = mkdtempSync(join(tmpdir(), "ingestlayer-sdk-daemon-"));
const conf = join(dir, "ingestlayer.conf");
const key = "a-key-for-the-test";
let daemon;
let url;
let log = "";

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((done) => server.once("listening", done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

async function start() {
  const child = spawn(program, ["run", "-c", conf], {
    env: { ...process.env, TEST_KEY: key }, stdio: ["ignore", "ignore", "pipe"],
  });
  child.stderr.on("data", (chunk) => (log += chunk));
  child.gone = new Promise((done) => child.once("exit", (code, signal) => done(code ?? signal)));
  daemon = child;
  for (let i = 0; i < 300; i++) {
    try {
      if ((await fetch(`${url.admin}/readyz`)).status === 200) return;
    } catch {
      if (child.exitCode !== null) break;
    }
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`the daemon did not get ready:\n${log}`);
}

before(async () => {
  if (skip) return;
  url = { gate: `http://127.0.0.1:${await freePort()}`, admin: `http://127.0.0.1:${await freePort()}` };
  writeFileSync(conf, `
state_dir = "${join(dir, "state")}";
http  = { listen = "${new URL(url.gate).host}"; };
admin = { listen = "${new URL(url.admin).host}"; };
events = ( { type = "feature.used"; fields = (
  { name = "user_id"; type = "string"; required = true; },
  { name = "count"; type = "number"; } ); } );
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "env:TEST_KEY" ); } );
pipelines = ();
`);
  spawnSync("mkdir", ["-p", join(dir, "state")]);
  await start();
  sdk.configure({ url: url.gate, apiKey: key });
});

after(async () => {
  if (daemon && daemon.exitCode === null && daemon.signalCode === null) {
    daemon.kill("SIGTERM");
    await daemon.gone;
  }
  rmSync(dir, { recursive: true, force: true });
});

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
  const error = await failure(sdk.createClient({ url: url.gate, apiKey: "wrong" }).ingest("feature.used", used(1)));
  assert.equal(error.status, 401);
  assert.equal(error.attempts, 1);
  assert.equal(error.retryable, false);
});

test("an event that meets a dead daemon arrives once it is back", { skip }, async () => {
  const before = await sdk.ingest("feature.used", used(1), { idempotencyKey: "across" });
  daemon.kill("SIGKILL");
  await daemon.gone;
  const client = sdk.createClient({ url: url.gate, apiKey: key, retries: 50, retryDelayMs: 50, timeoutMs: 60_000 });
  const pending = client.ingest("feature.used", used(2));
  const known = client.ingest("feature.used", used(1), { idempotencyKey: "across" });
  await start();
  assert.equal((await pending).status, "accepted");
  assert.deepEqual(await known, { id: before.id, status: "duplicate" });
});
