// SPDX-License-Identifier: MIT
// What the SDK runs in beside browsers: Node, and others where npm had them
// for this platform (test/runtimes/package.json), or where they are in the path.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

function find(name, ...args) {
  for (const command of [fileURLToPath(new URL(`../node_modules/.bin/${name}`, import.meta.url)), name])
    if (spawnSync(command, ["--version"]).status === 0) return { name, command: [command, ...args], skip: false };
  return { name, command: [name, ...args], skip: `${name} is missing` };
}

/** How each is called with a file; skip: as tests take it. */
export const runtimes = [
  { name: "node", command: [process.execPath], skip: false },
  find("bun"),
  find("deno", "run", "--allow-all", "--quiet"),
];
