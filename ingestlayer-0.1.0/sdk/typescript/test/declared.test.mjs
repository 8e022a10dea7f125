// SPDX-License-Identifier: MIT
// `ingestlayer types`: what the gate takes compiles, and what it would refuse
// does not, on every marked line and on no other.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { daemon, skip } from "./daemon.mjs";
import { compile, run, write } from "./project.mjs";

const here = new URL("generated/", import.meta.url);

const options = { module: "ES2022", moduleResolution: "bundler" };
for (const program of ["good.ts", "bad.ts"])
  test(program, { skip }, () => {
    const types = run(daemon, ["types", "-c", fileURLToPath(new URL("events.conf", here))]);
    assert.equal(types.status, 0, types.text);
    write("events.d.ts", types.stdout);
    const source = readFileSync(new URL(program, here), "utf8");
    const want = source.split("\n").flatMap((line, i) => (line.endsWith("// error") ? [i + 1] : []));
    const { lines, text } = compile(source, "program.ts", options, ["events.d.ts"]);
    assert.deepEqual(lines, want, text);
    assert.equal(want.length > 0, program === "bad.ts");
  });
