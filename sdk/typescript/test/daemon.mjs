// SPDX-License-Identifier: MIT
// The daemon of the build tree, for tests.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const build = process.env.IL_BUILDDIR ?? "";
export const daemon = join(build, "ingestlayer");
const built = build !== "" && existsSync(join(build, "core", "ingestlayer"))
  && existsSync(join(build, "plugins/sdk.event/.libs/sdk.event.so"));
/** For the options of a test. */
export const skip = built ? false : "the daemon is not built (IL_BUILDDIR)";
export const key = "a-key-for-the-test";
/** One event a second. */
export const slowKey = "a-key-with-a-rate";
/** Publishable; of pages on this machine. */
export const pageKey = "a-key-for-pages";

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((done) => server.once("listening", done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

/** A daemon of one's own, with feature.used declared, not started yet. */
export async function makeDaemon() {
  const dir = mkdtempSync(join(tmpdir(), "ingestlayer-sdk-daemon-"));
  const conf = join(dir, "ingestlayer.conf");
  const url = `http://127.0.0.1:${await freePort()}`;
  const admin = `http://127.0.0.1:${await freePort()}`;
  let child;
  let log = "";
  mkdirSync(join(dir, "state"));
  writeFileSync(conf, `
state_dir = "${join(dir, "state")}";
entities = { map_size = "64MiB"; };
http  = { listen = "${new URL(url).host}"; };
admin = { listen = "${new URL(admin).host}"; };
events = ( { type = "feature.used"; fields = (
  { name = "user_id"; type = "string"; required = true; },
  { name = "feature"; type = "string"; },
  { name = "count"; type = "number"; } ); },
  { type = "page.left"; fields = ( { name = "user_id"; type = "string"; } ); },
  { type = "order.paid"; fields = ( { name = "user_id"; type = "string"; } ); } );
sources = ( { name = "app"; plugin = "sdk.event"; keys = ( "env:TEST_KEY",
  { key = "${slowKey}"; rate = "1/s"; },
  { key = "${pageKey}"; publishable = true; types = ( "feature.used", "page.*" ); origins = ( "http://localhost:*" ); } ); } );
pipelines = ();
`);

  async function start() {
    child = spawn(daemon, ["run", "-c", conf], {
      env: { ...process.env, TEST_KEY: key }, stdio: ["ignore", "ignore", "pipe"],
    });
    child.stderr.on("data", (chunk) => (log += chunk));
    child.gone = new Promise((done) => child.once("exit", (code, signal) => done(code ?? signal)));
    for (let i = 0; i < 300 * (process.env.IL_PATIENCE ?? 1); i++) {
      try {
        if ((await fetch(`${admin}/readyz`)).status === 200) return;
      } catch {
        if (child.exitCode !== null) break;
      }
      await new Promise((done) => setTimeout(done, 50));
    }
    throw new Error(`the daemon did not get ready:\n${log}`);
  }

  async function kill(signal) {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await child.gone;
  }

  async function remove() {
    await kill("SIGTERM");
    rmSync(dir, { recursive: true, force: true });
  }

  /** Stop it and read what it has on disk. */
  async function events() {
    await kill("SIGTERM");
    const { stdout, stderr, status } = spawnSync(daemon, ["spool", "export", "-d", join(dir, "state/spool")], {
      encoding: "utf8", maxBuffer: 1 << 28,
    });
    if (status !== 0) throw new Error(stderr);
    return stdout.split("\n").filter(Boolean).map((line) => JSON.parse(line));
  }

  return { url, admin, start, kill, remove, events, log: () => log };
}
