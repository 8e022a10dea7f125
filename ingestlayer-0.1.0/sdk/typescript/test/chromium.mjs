// SPDX-License-Identifier: MIT
// A headless Chromium, spoken to over a pair of pipes (DevTools protocol).
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export async function chromium(program) {
  const profile = mkdtempSync(join(tmpdir(), "ingestlayer-sdk-chromium-"));
  const child = spawn(program, [
    "--headless=new", "--remote-debugging-pipe", `--user-data-dir=${profile}`, "--no-first-run",
    "--no-proxy-server", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--password-store=basic",
    ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []), "about:blank",
  ], { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"], env: { ...process.env, HOME: profile } });
  const gone = new Promise((done) => child.once("exit", done));
  const [to, from] = [child.stdio[3], child.stdio[4]];
  const waiting = new Map();
  let last = 0;
  let rest = "";
  from.setEncoding("utf8").on("data", (chunk) => {
    const messages = (rest + chunk).split("\0");
    rest = messages.pop();
    for (const { id, result, error } of messages.map((message) => JSON.parse(message))) {
      const [done, fail] = waiting.get(id) ?? [];
      waiting.delete(id);
      if (error) fail?.(new Error(error.message));
      else done?.(result);
    }
  });
  to.on("error", () => {});
  gone.then(() => waiting.forEach(([, fail]) => fail(new Error("chromium has ended"))));

  const send = (method, params = {}, sessionId = undefined) => new Promise((done, fail) => {
    waiting.set(++last, [done, fail]);
    to.write(`${JSON.stringify({ id: last, method, params, sessionId })}\0`);
  });

  /** A tab of its own. */
  async function open(url) {
    const { targetId } = await send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
    const call = (method, params) => send(method, params, sessionId);
    const evaluate = async (expression) => {
      const { result, exceptionDetails } = await call("Runtime.evaluate", {
        expression, awaitPromise: true, returnByValue: true,
      });
      if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
      return result.value;
    };
    async function go(to) {
      await call("Page.navigate", { url: to });
      for (let i = 0; i < 400; i++) {
        const state = await evaluate("document.readyState + ' ' + location.href + ' ' + (globalThis.isReady ?? true)")
          .catch(() => "");
        if (state === `complete ${to} true`) return;
        await new Promise((done) => setTimeout(done, 25));
      }
      throw new Error(`${to} did not load`);
    }
    if (url) await go(url);
    return { call, evaluate, go, close: () => send("Target.closeTarget", { targetId }) };
  }

  async function close() {
    await send("Browser.close").catch(() => {});
    const timer = setTimeout(() => child.kill("SIGKILL"), 5000);
    await gone;
    clearTimeout(timer);
    rmSync(profile, { recursive: true, force: true, maxRetries: 10 });
  }

  return { open, close };
}
