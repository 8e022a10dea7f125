// SPDX-License-Identifier: MIT
// Build the package with tsc alone: ES modules, CommonJS, and the types of both.
//   node build.mjs [FOLDER]     FOLDER gets what `npm pack` wants (default: here)
// FOLDER may be elsewhere and this folder read-only.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const target = resolve(process.argv[2] ?? here);
const dist = join(target, "dist");
const tsc = join(here, "node_modules", "typescript", "bin", "tsc");

if (!existsSync(tsc)) {
  console.error(`build.mjs: there is no TypeScript in ${here}: run npm ci there first`);
  process.exit(1);
}
mkdirSync(target, { recursive: true });
// Read and written, not copied: a read-only original would make a read-only copy.
writeFileSync(join(target, "LICENSE"), readFileSync(join(here, "..", "..", "LICENSE")));
if (target !== here) {
  writeFileSync(join(target, "README.md"), readFileSync(join(here, "README.md")));
  // Nothing there can be built again: npm pack is not to try.
  const { scripts, devDependencies, workspaces, ...manifest } = JSON.parse(readFileSync(join(here, "package.json"), "utf8"));
  writeFileSync(join(target, "package.json"), `${JSON.stringify(manifest, undefined, 2)}\n`);
}

rmSync(dist, { recursive: true, force: true });
for (const [folder, type, options] of [
  ["esm", "module", []],
  ["cjs", "commonjs", ["--module", "CommonJS", "--moduleResolution", "node10"]],
]) {
  const out = join(dist, folder);
  mkdirSync(out, { recursive: true });
  // Beside the files, since the package as a whole is of one type only.
  writeFileSync(join(out, "package.json"), `${JSON.stringify({ type, sideEffects: false })}\n`);
  const { status } = spawnSync(
    process.execPath,
    [tsc, "-p", here, "--outDir", out, ...options],
    { stdio: "inherit" },
  );
  if (status !== 0) process.exit(1);
}
// One interface, whichever of the two a program sees: see src/events.ts.
writeFileSync(join(dist, "esm", "events.d.ts"), 'export type * from "../cjs/events.js";\n');
