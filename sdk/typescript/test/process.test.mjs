// SPDX-License-Identifier: MIT
// What becomes of the queue when the process ends, in each runtime.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { runtimes } from "./runtimes.mjs";
import { gate, root, take, until } from "./server.mjs";

const far = "flushIntervalMs: 3_600_000";
const told = 'onError: (error, events) => console.log(error.code, error.problems.length, events.map((e) => e.payload.i).join()),';
const folder = mkdtempSync(join(tmpdir(), "ingestlayer-sdk-process-"));
const children = [];
after(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});
let programs = 0;

/** A program that has the SDK; resolves with how it ended. */
function run(command, server, code) {
  const file = join(folder, `${programs++}.mjs`);
  writeFileSync(file, `const { configure, createClient, track, flush, close, ingest, ingestBatch } = await import(
    ${JSON.stringify(new URL("dist/esm/index.js", root).href)});\n${code}`);
  const child = spawn(command[0], [...command.slice(1), file], {
    env: { ...process.env, INGESTLAYER_URL: server.url, INGESTLAYER_KEY: "key", NODE_TEST_CONTEXT: "", NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.push(child);
  child.text = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (child.text += chunk));
  const begin = performance.now();
  child.ended = new Promise((done) =>
    child.once("close", (status, signal) => done({ status, signal, text: child.text, ms: performance.now() - begin })));
  return child;
}

/** In each runtime but one. */
function each(title, body, but = "") {
  for (const { name, command, skip } of runtimes)
    test(`${name}: ${title}`, { skip: skip || name === but }, (t) => body(t, (...args) => run(command, ...args)));
}

each("a program that just ends has sent everything", async (t, program) => {
  const server = await gate(t);
  const { status, text } = await program(server,
    `configure({ queue: { ${far}, flushAt: 5000 } }); for (let i = 0; i < 1200; i++) track("t", { i });`).ended;
  assert.equal(status, 0, text);
  assert.equal(server.taken.size, 1200);
});

each("it does so through a failure of the server", async (t, program) => {
  const server = await gate(t, (n) => (n < 2 ? { status: 503 } : undefined));
  const { status, text } = await program(server, `configure({ queue: { ${far} }, retryDelayMs: 20 }); track("t", {});`).ended;
  assert.equal(status, 0, text);
  assert.equal(server.taken.size, 1);
});

each("no timer keeps a program from ending, and what is left is told", async (t, program) => {
  const server = await gate(t, () => ({ status: 503, headers: { "Retry-After": "100" } }));
  const { status, text, ms } = await program(server, `
    configure({ queue: { ${far}, exitTimeoutMs: 300 }, onError: (error, events) => console.log(error.code, events.length) });
    track("t", {}); track("t", {}); await flush({ timeoutMs: 10 });`).ended;
  assert.equal(status, 0, text);
  assert.equal(text, "exit 2\n");
  assert.ok(ms < 5000, `${ms}`);
});

each("an await of flush() and close() keeps the process until they are done", async (t, program) => {
  const server = await gate(t, (n) => (n < 3 ? { status: 503 } : undefined));
  const { status, text } = await program(server, `
    configure({ queue: { ${far} }, retryDelayMs: 100 });
    track("t", {}); console.log((await flush()).delivered); track("t", {}); console.log((await close()).delivered);`).ended;
  assert.equal(status, 0, text);
  assert.equal(text, "1\n1\n");
});

each("on a signal that was asked for the events go out first, then the process dies of it", async (t, program) => {
  const server = await gate(t);
  const child = program(server, `
    configure({ queue: { ${far}, exitSignals: ["SIGTERM", "SIGINT"] } });
    track("t", {}); console.log("ready"); setInterval(() => {}, 1000);`);
  await until(() => child.text.includes("ready"));
  child.kill("SIGTERM");
  const { signal } = await child.ended;
  assert.equal(signal, "SIGTERM");
  assert.equal(server.taken.size, 1);
});

each("a second signal ends it at once", async (t, program) => {
  const server = await gate(t, () => "hang");
  const child = program(server, `
    configure({ queue: { ${far}, exitSignals: ["SIGTERM"], exitTimeoutMs: 60_000 } });
    track("t", {}); console.log("ready"); setInterval(() => {}, 1000);`);
  await until(() => child.text.includes("ready"));
  child.kill("SIGTERM");
  await until(() => server.requests.length);
  child.kill("SIGTERM");
  const { signal, ms } = await child.ended;
  assert.equal(signal, "SIGTERM");
  assert.ok(ms < 20_000);
});

each("it dies of it though the server is away and more is tracked all the time, and tells all", async (t, program) => {
  const server = await gate(t, () => "hang");
  const child = program(server, `
    let tracked = 0, told = 0;
    configure({ queue: { exitTimeoutMs: 100, exitSignals: ["SIGTERM"] }, onError(error, events) {
      console.log("told", tracked - (told += events.length));
      for (let i = 0; i < 3; i++) setTimeout(() => { tracked++; track("t", {}); });
    } });
    setInterval(() => { tracked++; track("t", {}); }, 1); console.log("ready");`);
  await until(() => child.text.includes("ready") && server.requests.length);
  child.kill("SIGTERM");
  const { signal, ms, text } = await child.ended;
  assert.equal(signal, "SIGTERM");
  assert.ok(ms < 10_000, `${ms}`);
  assert.match(text, /told 0\n$/);
});

const alone = spawnSync("unshare", ["--pid", "--fork", "true"]).status === 0 ? false : "unshare is missing, or may not";
test("the first process of a container, which a signal alone does not end, ends as well", { skip: alone }, async (t) => {
  const server = await gate(t);
  const child = run(["unshare", "--pid", "--fork", "--kill-child", process.execPath], server, `
    configure({ queue: { ${far}, exitSignals: ["SIGTERM"] } });
    track("t", {}); console.log("ready", process.pid); setInterval(() => {}, 1000);`);
  await until(() => child.text.includes("ready 1\n"));
  const [first] = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").split(" ");
  process.kill(Number(first), "SIGTERM");
  const { status } = await child.ended;
  assert.equal(status, 143);
  assert.equal(server.taken.size, 1);
});

each("where the application listens to the signal, it ends the process itself", async (t, program) => {
  const server = await gate(t);
  const child = program(server, `
    configure({ queue: { ${far}, exitSignals: ["SIGTERM"] } });
    track("t", {}); console.log("ready"); const idle = setInterval(() => {}, 1000);
    process.on("SIGTERM", async () => { console.log((await flush()).delivered); clearInterval(idle); });`);
  await until(() => child.text.includes("ready"));
  child.kill("SIGTERM");
  const { status, text } = await child.ended;
  assert.equal(status, 0);
  assert.equal(text, "ready\n1\n");
  assert.equal(server.taken.size, 1);
});

each("no signal is touched that was not asked for, and none with nothing to lose", async (t, program) => {
  const server = await gate(t);
  const { text } = await program(server, `
    const count = () => console.log(process.listenerCount("SIGTERM"));
    configure({ queue: { ${far} } }); track("t", {}); count(); await flush();
    configure({ queue: { ${far}, exitSignals: ["SIGTERM"] } }); count();
    track("t", {}); count(); await flush(); count();`).ended;
  assert.equal(text, "0\n0\n1\n0\n");
});

each("process.exit() tells what waits, and what nobody has heard yet", async (t, program) => {
  const server = await gate(t);
  const { status, text } = await program(server, `
    configure({ queue: { ${far} }, ${told} });
    track("t", { i: 1 }); track("t", { i: 2 }); track("t", { i: NaN }); process.exit(3);`).ended;
  assert.equal(status, 3);
  assert.equal(text, "invalid_event 1 NaN\nexit 2 1,2\n");
  assert.equal(server.requests.length, 0);
});

each("so does an error that nobody caught, and a request that is under way", async (t, program) => {
  const server = await gate(t, () => "hang");
  const child = program(server, `
    configure({ queue: { flushIntervalMs: 1 }, ${told} });
    track("t", { i: 1 }); process.once("SIGUSR2", () => { throw new Error("oops"); }); setInterval(() => {}, 1000);`);
  await until(() => server.requests.length);
  child.kill("SIGUSR2");
  const { status, text } = await child.ended;
  assert.equal(status, 1);
  assert.match(text, /^exit 1 1$/m);
}, "deno"); // which emits nothing then

each("what is tracked later than that is refused and told as well", async (t, program) => {
  const server = await gate(t);
  const { text } = await program(server, `
    configure({ queue: { ${far} }, ${told} });
    track("t", { i: 1 }); process.on("exit", () => console.log(track("t", { i: 2 }))); process.exit();`).ended;
  assert.equal(text, "exit 1 1\nexit 1 2\nfalse\n");
});

each("without onError the last losses are logged at exit, however many there were before", async (t, program) => {
  const server = await gate(t);
  const { text } = await program(server, `
    configure({ queue: { ${far}, maxEvents: 1 } });
    track("t", {}); track("t", {}); setTimeout(() => { track("t", {}); setTimeout(() => process.exit(), 20); }, 20);`).ended;
  assert.match(text, /^ingestlayer: events lost: 1; queue_full: .*\ningestlayer: events lost: 2; exit: the process ended first\n$/);
});

each("many clients do not warn of many listeners", async (t, program) => {
  const server = await gate(t);
  const { status, text } = await program(server,
    `for (let i = 0; i < 30; i++) createClient({ queue: { ${far}, exitSignals: ["SIGTERM"] } }).track("t", { i });`).ended;
  assert.equal(status, 0);
  assert.equal(text, "");
  assert.equal(server.taken.size, 30);
});

each("receipts, what is packed, and an answer that was lost", async (t, program) => {
  const server = await gate(t, (n, body, self) => (n ? undefined : (take(self, body), "reset")));
  const { status, text } = await program(server, `
    configure({ retryDelayMs: 5 });
    console.log((await ingest("t", { n: 1n })).status);
    console.log((await ingestBatch(Array.from({ length: 700 }, (_, i) => ({ type: "t", payload: { i, text: "x".repeat(i % 50) } })))).length);
    await ingest("t", { n: NaN }).catch((error) => console.log(error.name, error.code, error.problems[0].path));`).ended;
  assert.equal(status, 0, text);
  assert.equal(text, "duplicate\n700\nIngestError invalid_event payload.n\n");
  assert.equal(server.taken.size, 701);
  assert.equal(server.requests.at(-1).headers["content-encoding"], "gzip");
});
