// SPDX-License-Identifier: MIT
// Wherever the events are declared, and in whatever kind of file, they hold in
// programs of every kind: a wrong event does not compile.
import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { test } from "node:test";
import { project, tools, write } from "./project.mjs";

const ts = createRequire(tools)("typescript");

const declaration = readFileSync(new URL("../examples/events.d.ts", import.meta.url), "utf8");
const uses = `
export const other = createClient({});
export const own: Events["feature.used"] = { user_id: "u", feature: "f", count: 2n };
track("feature.used", own);
track("feature.usd", own); // error
track("feature.used", { user_id: "u" }); // error
track("feature.used", { user_id: 5, feature: "f" }); // error
track("feature.used", { ...own, planned: true }); // error
void ingest("feature.used", { feature: "f" }); // error
void ingestBatch([{ type: "feature.used", payload: own }, { type: "feature.used", payload: {} }]); // error
other.track("feature.usd", own); // error
export const event: IngestEvent = { type: "feature.usd", payload: own }; // error
`;
const names = "createClient, ingest, ingestBatch, track";
const imported = `import { ${names}, type Events, type IngestEvent } from "@ingestlayer/sdk";${uses}`;
const required = `import sdk = require("@ingestlayer/sdk");
import type { Events, IngestEvent } from "@ingestlayer/sdk";
const { ${names} } = sdk;${uses}`;

const setups = {
  "commonjs": { module: "CommonJS" },
  "module": { module: "ES2022", moduleResolution: "node10" },
  "bundler": { module: "ES2022", moduleResolution: "bundler" },
  "preserve": { module: "Preserve" },
  "Node16": { module: "Node16" },
  "NodeNext": { module: "NodeNext" },
};
/** Those in which require() may be written, and where. */
const requiring = { commonjs: ["ts", "mts", "cts"], preserve: ["ts", "mts", "cts"], Node16: ["cts"], NodeNext: ["cts"] };

const libraries = new Map();

/** The lines with errors of each file. */
function errors(files, settings) {
  const { options, errors: wrong } = ts.convertCompilerOptionsFromJson({
    strict: true, noEmit: true, target: "ES2022", lib: ["ES2022"], types: [], ...settings,
  }, project);
  assert.deepEqual(wrong, []);
  const host = ts.createCompilerHost(options);
  const read = host.getSourceFile;
  host.getCurrentDirectory = () => project;
  host.getSourceFile = (name, ...rest) => {
    if (!/[/\\]lib\.[^/\\]*\.d\.ts$/.test(name)) return read(name, ...rest);
    if (!libraries.has(name)) libraries.set(name, read(name, ...rest));
    return libraries.get(name);
  };
  const program = ts.createProgram(files.map((name) => join(project, name)), options, host);
  const found = ts.getPreEmitDiagnostics(program);
  const text = ts.formatDiagnostics(found, { ...host, getCanonicalFileName: (name) => name });
  const lines = Object.fromEntries(files.map((name) => [name, new Set()]));
  for (const { file, start } of found) {
    const name = file?.fileName.slice(project.length + 1);
    assert.ok(lines[name], `an error outside of the programs:\n${text}`);
    lines[name].add(file.getLineAndCharacterOfPosition(start).line + 1);
  }
  return { lines: files.map((name) => [name, [...lines[name]].sort((a, b) => a - b)]), text };
}

const marked = (source) => source.split("\n").flatMap((line, i) => (line.endsWith("// error") ? [i + 1] : []));

for (const type of ["commonjs", "module"])
  for (const declared of ["events.d.ts", "events.d.mts", "events.d.cts"])
    test(`${declared} in a package of type ${type}`, () => {
      write("package.json", { name: "project", type });
      write(declared, declaration);
      for (const [setup, settings] of Object.entries(setups)) {
        const sources = { [declared]: "" };
        for (const kind of ["ts", "mts", "cts"]) sources[`imports.${kind}`] = imported;
        for (const kind of requiring[setup] ?? []) sources[`requires.${kind}`] = required;
        for (const [name, source] of Object.entries(sources)) if (source) write(name, source);
        const { lines, text } = errors(Object.keys(sources), settings);
        const want = Object.entries(sources).map(([name, source]) => [name, marked(source)]);
        assert.deepEqual(lines, want, `${setup}:\n${text}`);
        for (const [name, source] of Object.entries(sources)) if (source) rmSync(join(project, name));
      }
      rmSync(join(project, declared));
    });

test("declared in the program itself, by hand as in the manual", () => {
  const manual = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const [, block] = /By hand.*?```ts\n(.*?)```/s.exec(manual);
  write("package.json", { name: "project" });
  write("by-hand.d.ts", block);
  write("program.ts", imported.replace(", count: 2n", ""));
  const { lines, text } = errors(["by-hand.d.ts", "program.ts"], setups.NodeNext);
  assert.deepEqual(lines, [["by-hand.d.ts", []], ["program.ts", marked(imported)]], text);
});
