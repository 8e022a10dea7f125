// SPDX-License-Identifier: MIT
// A project that has the package as npm would publish it: packed, and installed
// without network.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import { root } from "./server.mjs";

const tsc = fileURLToPath(new URL("../node_modules/typescript/bin/tsc", import.meta.url));
/** Those of the SDK's own tools, such as the types of Express. */
export const tools = fileURLToPath(new URL("../node_modules/", import.meta.url));
export const project = mkdtempSync(join(tmpdir(), "ingestlayer-sdk-"));
after(() => rmSync(project, { recursive: true, force: true }));

export function run(command, args, options = {}) {
  const env = { ...process.env, npm_config_cache: join(project, ".cache"), npm_config_update_notifier: "false" };
  for (const name of ["INGESTLAYER_URL", "INGESTLAYER_KEY", "NODE_OPTIONS", "NODE_TEST_CONTEXT"]) delete env[name];
  const result = spawnSync(command, args, { cwd: project, encoding: "utf8", env, ...options });
  if (result.error) throw result.error;
  return { status: result.status, text: result.stdout + result.stderr, stdout: result.stdout };
}

export function write(name, text) {
  mkdirSync(dirname(join(project, name)), { recursive: true });
  writeFileSync(join(project, name), typeof text === "string" ? text : JSON.stringify(text));
}

export let packed;

before(() => {
  // As it was built: other tests are reading it.
  const pack = run("npm", ["pack", "--ignore-scripts", "--json", "--pack-destination", project], { cwd: fileURLToPath(root) });
  assert.equal(pack.status, 0, pack.text);
  [packed] = JSON.parse(pack.stdout);
  write("package.json", { name: "project", version: "1.0.0", private: true });
  const install = run("npm", ["install", "--offline", "--no-audit", "--no-fund", join(project, packed.filename)]);
  assert.equal(install.status, 0, install.text);
});

/** Compile one program, with other files of the project; the lines with errors. */
export function compile(source, name, options, others = []) {
  write(name, source);
  write("tsconfig.json", {
    compilerOptions: {
      strict: true, noEmit: true, target: "ES2020", lib: ["ES2020"], types: [], skipLibCheck: false,
      exactOptionalPropertyTypes: true, ...options,
    },
    files: [name, ...others],
  });
  const { text } = run(process.execPath, [tsc, "-p", "."]);
  rmSync(join(project, name));
  const lines = [...text.matchAll(/^(.*)\((\d+),\d+\): error (.*)/gm)];
  assert.ok(lines.every((line) => line[1] === name), `errors outside of the program:\n${text}`);
  return { lines: [...new Set(lines.map((line) => Number(line[2])))], text };
}
