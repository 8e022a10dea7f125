// SPDX-License-Identifier: MIT
// The examples compile against the package, with the types that the recipe's
// config gives.
import assert from "node:assert/strict";
import { existsSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { daemon, skip } from "./daemon.mjs";
import { compile, project, run, tools, write } from "./project.mjs";

const read = (name) => readFileSync(new URL(`../${name}`, import.meta.url), "utf8");
const untyped = existsSync(join(tools, "@types/express")) ? false : "@types/express is not installed (npm ci)";
const bundler = { module: "ES2022", moduleResolution: "bundler" };

before(() => {
  symlinkSync(join(tools, "@types"), join(project, "node_modules/@types"));
  write("events.d.ts", read("examples/events.d.ts"));
  write("next-server.d.ts", read("test/stand-ins/next-server.d.ts"));
});

for (const [name, options] of [
  ["express", { types: ["node"], esModuleInterop: true }],
  ["nextjs", { types: [], lib: ["ES2022", "DOM"] }],
  ["browser", { types: [], lib: ["ES2022", "DOM"] }],
])
  test(`examples/${name}.ts compiles`, { skip: name === "express" && untyped }, () => {
    const source = read(`examples/${name}.ts`);
    const settings = { ...bundler, ...options };
    const others = ["events.d.ts", "next-server.d.ts"];
    const good = compile(source, "example.ts", settings, others);
    assert.deepEqual(good.lines, [], good.text);
    if (name !== "browser") return;
    const bad = source.replaceAll("user_id:", "user_ids:");
    assert.notDeepEqual(compile(bad, "example.ts", settings, others).lines, []);
  });

test("a page's own fetch() and storage fit the options", () => {
  const { lines, text } = compile(
    `import { configure } from "@ingestlayer/sdk";
     configure({ fetch, queue: { storage: sessionStorage } });
     configure({ fetch: (url, init) => globalThis.fetch(url, init) });`,
    "program.ts", { ...bundler, lib: ["ES2022", "DOM"] });
  assert.deepEqual(lines, [], text);
});

test("the examples' types are those of the recipe", { skip }, () => {
  const recipe = fileURLToPath(new URL("../../../conf/recipes/feature-usage.conf", import.meta.url));
  const { status, stdout, text } = run(daemon, ["types", "-c", recipe]);
  assert.equal(status, 0, text);
  assert.equal(stdout, read("examples/events.d.ts"));
});
