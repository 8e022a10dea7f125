// SPDX-License-Identifier: MIT
// The package, installed into an empty project and used from there.
import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { createContext, runInContext } from "node:vm";
import { compile, packed, project, run, tools, write } from "./project.mjs";
import { runtimes } from "./runtimes.mjs";

const types = fileURLToPath(new URL("types/", import.meta.url));

test("the package holds what it should and nothing else", () => {
  const names = packed.files.map((file) => file.path);
  for (const name of ["package.json", "README.md", "LICENSE", "dist/esm/index.js", "dist/esm/index.d.ts",
    "dist/cjs/index.js", "dist/cjs/index.d.ts"])
    assert.ok(names.includes(name), name);
  assert.deepEqual(names.filter((name) => !/^(package\.json|README\.md|LICENSE|dist\/(esm|cjs)\/.*)$/.test(name)), []);
  const manifest = JSON.parse(readFileSync(join(project, "node_modules/@ingestlayer/sdk/package.json"), "utf8"));
  assert.equal(manifest.dependencies, undefined);
  assert.deepEqual(readdirSync(join(project, "node_modules/@ingestlayer")), ["sdk"]);
});

const expected = "close,configure,createClient,flush,ingest,ingestBatch,IngestError,track";
const print = "console.log(Object.keys(sdk).filter((name) => name !== 'default')"
  + ".sort((a, b) => (a.toLowerCase() < b.toLowerCase() ? -1 : 1)).join());"
  + "sdk.ingest('t', {}).catch((e) => { if (!(e instanceof sdk.IngestError) || e.code !== 'not_configured') throw e; });";

for (const { name, command: [program, ...args], skip } of runtimes)
  test(`${name}: import from ES modules and require from CommonJS`, { skip }, () => {
    write("esm.mjs", `import * as sdk from "@ingestlayer/sdk";\n${print}`);
    write("cjs.cjs", `const sdk = require("@ingestlayer/sdk");\n${print}`);
    for (const file of ["esm.mjs", "cjs.cjs"]) {
      const { status, text } = run(program, [...args, file]);
      assert.equal(status, 0, text);
      assert.equal(text.trim(), expected.replace(/ /g, ""));
    }
  });

test("npm pack builds what it packs, from a tree where nothing was built", () => {
  const here = new URL("..", import.meta.url);
  const names = ["package.json", "README.md", "build.mjs", "tsconfig.json"];
  for (const name of [...names, ...readdirSync(new URL("src", here)).map((name) => `src/${name}`)])
    write(`clean/sdk/typescript/${name}`, readFileSync(new URL(name, here), "utf8"));
  write("clean/LICENSE", readFileSync(new URL("../../LICENSE", here), "utf8"));
  const cwd = join(project, "clean/sdk/typescript");
  const without = run("npm", ["pack", "--dry-run"], { cwd });
  assert.notEqual(without.status, 0);
  assert.match(without.text, /run npm ci there first/);
  symlinkSync(tools, join(cwd, "node_modules"));
  const { status, stdout, text } = run("npm", ["pack", "--json", "--dry-run"], { cwd });
  assert.equal(status, 0, text);
  const [{ files }] = JSON.parse(stdout.slice(stdout.indexOf("[")));
  const paths = (list) => list.map((file) => file.path).sort();
  assert.deepEqual(paths(files), paths(packed.files));
});

const bundled = existsSync(join(tools, "esbuild")) ? false : "esbuild is not installed (npm ci)";
test("a bundler makes one small file for browsers of it", { skip: bundled }, async () => {
  const { build } = await import("esbuild");
  write("page.js", `import { track } from "@ingestlayer/sdk"; globalThis.isTracked = track("t", {});`);
  const { outputFiles: [file], warnings } = await build({
    entryPoints: [join(project, "page.js")], bundle: true, minify: true, write: false,
    platform: "browser", format: "iife", target: "es2020", logLevel: "silent",
  });
  assert.deepEqual(warnings, []);
  assert.ok(file.contents.length < 22_000, `${file.contents.length} bytes`);
  // Where nothing but the language is, it loads; what is missing is told.
  const page = createContext({ setTimeout, clearTimeout, TextEncoder, URL });
  runInContext(file.text, page);
  assert.equal(page.isTracked, false);
});

const ways = {
  "ES modules, node16": ["program.mts", { module: "node16", moduleResolution: "node16" }],
  "CommonJS, node16": ["program.cts", { module: "node16", moduleResolution: "node16" }],
  "bundler": ["program.ts", { module: "ES2020", moduleResolution: "bundler" }],
  "CommonJS, node10": ["program.ts", { module: "CommonJS", moduleResolution: "node10" }],
};
for (const [way, [name, options]] of Object.entries(ways))
  for (const program of readdirSync(types)) {
    // What is refused does not depend on the way; each takes a second.
    if (program.includes("-bad") && way !== "ES modules, node16") continue;
    test(`types: ${way}: ${program}`, () => {
      const source = readFileSync(join(types, program), "utf8");
      const want = source.split("\n").flatMap((line, i) => (line.endsWith("// error") ? [i + 1] : []));
      const { lines, text } = compile(source, name, options);
      assert.deepEqual(lines, want, text);
      assert.equal(want.length > 0, program.includes("-bad"));
    });
  }

test("no file that git keeps names a registry", () => {
  const lock = readFileSync(new URL("../package-lock.json", import.meta.url), "utf8");
  // Links to a folder of this tree are no addresses.
  assert.equal(/https?:|"resolved": "(?!test\/)/.test(lock), false);
});
