// SPDX-License-Identifier: MIT
// The programs of ../../README.md, as they stand there, against the daemon of
// the build tree: through answers that are lost, and with an event that is wrong.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { key, makeDaemon, skip } from "./daemon.mjs";

const manual = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
const blocks = [...manual.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language, code]) => ({ language, code }));
/** How each is run, what shows whether it can be, and the file's name. */
const languages = {
  sh: { run: ["sh"], needs: [["curl", "--version"], ["openssl", "version"]], file: "send.sh" },
  python: { run: ["python3"], needs: [["python3", "--version"]], file: "send.py" },
  go: { run: ["go", "run"], needs: [["go", "version"]], file: "send.go" },
  ruby: { run: ["ruby"], needs: [["ruby", "--version"]], file: "send.rb" },
  php: { run: ["php"], needs: [["php", "--version"]], file: "send.php" },
  java: { run: ["java"], needs: [["java", "--version"], ["javac", "--version"]], file: "Send.java" },
};
const folder = mkdtempSync(join(tmpdir(), "ingestlayer-plain-http-"));
let daemon;
let requests = [];
/** Of the n-th request: "lose" its answer, a status, or let it pass. */
let mood = () => "pass";

// Between the programs and the daemon.
const proxy = createServer(async (req, res) => {
  const n = requests.length;
  const request = { at: performance.now() };
  requests.push(request);
  const chunks = [];
  for await (const chunk of req) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  request.key = /"(?:id|idempotencyKey)": ?"([^"]*)"/.exec(body)?.[1];
  const what = mood(n);
  if (typeof what === "number") {
    res.writeHead(what, { "Retry-After": "1" });
    return res.end();
  }
  const { authorization, "content-type": type } = req.headers;
  const answer = await fetch(daemon.url + req.url, { method: req.method, body, headers: { authorization, "content-type": type } });
  const text = await answer.text();
  request.status = answer.status;
  if (what === "lose") return req.socket.destroy();
  res.writeHead(answer.status, { "Content-Type": "application/json" });
  return res.end(text);
});

before(async () => {
  if (skip) return;
  daemon = await makeDaemon();
  await daemon.start();
  await new Promise((done) => proxy.listen(0, "127.0.0.1", done));
});

after(async () => {
  proxy.closeAllConnections();
  proxy.close();
  await daemon?.remove();
  rmSync(folder, { recursive: true, force: true });
});

function run(language, code) {
  const { run: [command, ...args], file } = languages[language];
  writeFileSync(join(folder, file), code);
  const env = { ...process.env, INGESTLAYER_URL: `http://127.0.0.1:${proxy.address().port}`, INGESTLAYER_KEY: key };
  // Nothing of the machine between a program and us.
  for (const name of ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]) delete env[name];
  requests = [];
  const child = spawn(command, [...args, file], { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (text += chunk));
  return new Promise((done) => child.once("close", (status) => done({ status, text })));
}

const keys = [];
const single = blocks.filter(({ code }) => !code.includes("ndjson"));
test("there are six of them", () => {
  assert.deepEqual(single.map(({ language }) => language), Object.keys(languages));
});

for (const { language, code } of single) {
  const missing = languages[language].needs.find((call) => spawnSync(call[0], call.slice(1)).status !== 0);
  const options = { skip: skip || (missing && `${missing[0]} is missing`) };

  test(`${language}: an event whose answer is lost, and that then has to wait, counts once`, options, async () => {
    mood = (n) => ["lose", 503, 429][n] ?? "pass";
    const { status, text } = await run(language, code);
    assert.equal(status, 0, text);
    assert.equal(requests.length, 4);
    assert.equal(requests[3].status, 202);
    assert.equal(new Set(requests.map((one) => one.key)).size, 1);
    assert.ok(requests[0].key);
    for (const n of [2, 3]) assert.ok(requests[n].at - requests[n - 1].at >= 990);
    keys.push(requests[0].key);
  });

  test(`${language}: a wrong event is sent once, and told`, options, async () => {
    mood = () => "pass";
    const { status, text } = await run(language, code.replace("user_id", "user"));
    assert.notEqual(status, 0, text);
    assert.match(text, /payload\.user_id/);
    assert.deepEqual(requests.map((one) => one.status), [422]);
  });
}

test("a file of events, twice", { skip: skip || spawnSync("curl", ["--version"]).status !== 0 }, async () => {
  mood = (n) => (n ? "pass" : "lose");
  const { code } = blocks.find((block) => block.code.includes("ndjson"));
  const { status, text } = await run("sh", code);
  assert.equal(status, 0, text);
  const { accepted, duplicates } = JSON.parse(text.slice(text.indexOf("{"))).data;
  assert.deepEqual({ accepted, duplicates }, { accepted: 0, duplicates: 2 });
});

test("in the end the daemon has each event once", { skip }, async () => {
  const events = await daemon.events();
  assert.equal(new Set(keys).size, keys.length);
  assert.equal(events.filter((event) => event.payload.user_id === "u_018f").length, keys.length);
  assert.equal(events.filter((event) => event.payload.user_id !== "u_018f").length, spawnSync("curl", ["--version"]).status === 0 ? 2 : 0);
});
