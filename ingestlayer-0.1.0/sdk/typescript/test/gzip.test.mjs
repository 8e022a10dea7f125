// SPDX-License-Identifier: MIT
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { gate, root } from "./server.mjs";

const many = (n) => Array.from({ length: n }, (_, i) => ({ type: "t", payload: { i, text: `text \u00e4 ${i}` } }));

test("large bodies are packed, small ones are not", async (t) => {
  const server = await gate(t);
  await server.client().ingestBatch(many(5));
  await server.client().ingestBatch(many(400));
  const [small, large] = server.requests;
  assert.equal(small.headers["content-encoding"], undefined);
  assert.equal(large.headers["content-encoding"], "gzip");
  assert.ok(large.raw.length < Buffer.byteLength(large.text) / 2);
  assert.equal(large.body.events[399].payload.text, "text \u00e4 399");
  assert.equal(server.taken.size, 405);
});

test("the size is an option, and so is never", async (t) => {
  const server = await gate(t);
  await server.client({ gzip: 100 }).ingestBatch(many(5));
  await server.client({ gzip: false }).ingestBatch(many(400));
  assert.deepEqual(server.requests.map((request) => request.headers["content-encoding"]), ["gzip", undefined]);
});

test("what packs too well for the server's liking is sent as it is", async (t) => {
  const server = await gate(t);
  await server.client().ingest("t", { text: "a".repeat(1_000_000) });
  assert.equal(server.requests[0].headers["content-encoding"], undefined);
});

test("a server that takes no gzip gets it plain, from then on", async (t) => {
  const server = await gate(t, function answer(n) {
    return server.requests[n].headers["content-encoding"] ? { status: 415 } : undefined;
  });
  const client = server.client({ retries: 0 });
  assert.equal((await client.ingestBatch(many(400))).length, 400);
  assert.equal((await client.ingestBatch(many(400))).length, 400);
  assert.deepEqual(server.requests.map((request) => request.headers["content-encoding"]), ["gzip", undefined, undefined]);
});

for (const [what, remove] of [
  ["without CompressionStream node's zlib is used", "delete globalThis.CompressionStream;"],
  ["without either bodies are sent as they are",
    "delete globalThis.CompressionStream; process.getBuiltinModule = undefined;"],
])
  test(what, { skip: process.getBuiltinModule ? false : "this node has no process.getBuiltinModule()" }, () => {
    const code = `${remove}
      const { createClient } = await import(${JSON.stringify(new URL("dist/esm/index.js", root).href)});
      const { gunzipSync } = await import("node:zlib");
      const fetch = async (url, { headers, body }) => {
        const packed = headers["Content-Encoding"] === "gzip";
        const { events } = JSON.parse(packed ? gunzipSync(Buffer.from(body)).toString() : body);
        console.log(packed, events.length);
        return { status: 202, headers: { get: () => null },
          text: async () => JSON.stringify({ data: { accepted: events.length, events: [] } }) };
      };
      await createClient({ url: "http://localhost", apiKey: "k", fetch })
        .ingestBatch(Array.from({ length: 400 }, (_, i) => ({ type: "t", payload: { i } })));`;
    const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", code], { encoding: "utf8" });
    assert.equal(stdout.trim(), `${!what.includes("either")} 400`, stderr);
  });
