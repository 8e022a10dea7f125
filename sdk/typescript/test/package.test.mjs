// SPDX-License-Identifier: MIT
// The package as npm would publish it: packed, installed into an empty project
// without network, and used from there.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { root } from "./server.mjs";

const types = fileURLToPath(new URL("types/", import.meta.url));
const tsc = fileURLToPath(new URL("../node_modules/typescript/bin/tsc", import.meta.url));
const project = mkdtempSync(join(tmpdir(), "ingestlayer-sdk-"));
after(() => rmSync(project, { recursive: true, force: true }));

function run(command, args, options = {}) {
  const env = { ...process.env, npm_config_cache: join(project, ".cache"), npm_config_update_notifier: "false" };
  for (const name of ["INGESTLAYER_URL", "INGESTLAYER_KEY", "NODE_OPTIONS", "NODE_TEST_CONTEXT"]) delete env[name];
  const result = spawnSync(command, args, { cwd: project, encoding: "utf8", env, ...options });
  if (result.error) throw result.error;
  return { status: result.status, text: result.stdout + result.stderr, stdout: result.stdout };
}

function write(name, text) {
  writeFileSync(join(project, name), typeof text === "string" ? text : JSON.stringify(text));
}

let packed;

before(() => {
  const pack = run("npm", ["pack", "--json", "--pack-destination", project], { cwd: fileURLToPath(root) });
  assert.equal(pack.status, 0, pack.text);
  [packed] = JSON.parse(pack.stdout);
  write("package.json", { name: "project", version: "1.0.0", private: true });
  const install = run("npm", ["install", "--offline", "--no-audit", "--no-fund", join(project, packed.filename)]);
  assert.equal(install.status, 0, install.text);
});

test("the package holds what it should and nothing else", () => {
  const names = packed.files.map((file) => file.path);
  for (const name of ["package.json", "README.md", "LICENSE", "dist/esm/index.js", "dist/esm/index.d.ts",
    "dist/cjs/index.js", "dist/cjs/index.d.ts"])
    assert.ok(names.includes(name), name);
  assert.deepEqual(names.filter((name) => !/^(package\.json|README\.md|LICENSE|dist\/.*)$/.test(name)), []);
  const manifest = JSON.parse(readFileSync(join(project, "node_modules/@ingestlayer/sdk/package.json"), "utf8"));
  assert.equal(manifest.dependencies, undefined);
  assert.deepEqual(readdirSync(join(project, "node_modules/@ingestlayer")), ["sdk"]);
});

const expected = "close,configure,createClient,flush,ingest,ingestBatch,IngestError,track";
const print = "console.log(Object.keys(sdk).filter((name) => name !== 'default')"
  + ".sort((a, b) => (a.toLowerCase() < b.toLowerCase() ? -1 : 1)).join());"
  + "sdk.ingest('t', {}).catch((e) => { if (!(e instanceof sdk.IngestError) || e.code !== 'not_configured') throw e; });";

test("import from ES modules and require from CommonJS", () => {
  write("esm.mjs", `import * as sdk from "@ingestlayer/sdk";\n${print}`);
  write("cjs.cjs", `const sdk = require("@ingestlayer/sdk");\n${print}`);
  for (const file of ["esm.mjs", "cjs.cjs"]) {
    const { status, text } = run(process.execPath, [file]);
    assert.equal(status, 0, text);
    assert.equal(text.trim(), expected.replace(/ /g, ""));
  }
});

/** Compile one program; the lines with errors. */
function compile(source, name, options) {
  write(name, source);
  write("tsconfig.json", {
    compilerOptions: {
      strict: true, noEmit: true, target: "ES2020", lib: ["ES2020"], types: [], skipLibCheck: false,
      exactOptionalPropertyTypes: true, ...options,
    },
    files: [name],
  });
  const { text } = run(process.execPath, [tsc, "-p", "."]);
  rmSync(join(project, name));
  const lines = [...text.matchAll(/^(.*)\((\d+),\d+\): error (.*)/gm)];
  assert.ok(lines.every((line) => line[1] === name), `errors outside of the program:\n${text}`);
  return { lines: [...new Set(lines.map((line) => Number(line[2])))], text };
}

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
  assert.equal(/https?:|"resolved"/.test(lock), false);
});
