// SPDX-License-Identifier: MIT
// A small gate for tests: it keeps what it took by idempotency key and answers
// as the test says.
import { createServer } from "node:http";
import { gunzipSync } from "node:zlib";

/** The package as it was built; in the build tree where that is elsewhere. */
export const root = process.env.IL_SDK ? `file://${process.env.IL_SDK}/` : new URL("..", import.meta.url).href;
export const sdk = await import(new URL("dist/esm/index.js", root).href);

export const keyOf = (event) => event.idempotencyKey ?? event.id;

/** Take the events of a request as the real gate does. */
export function take(server, body) {
  const events = body.events.map((event, index) => {
    if (event.payload.bad)
      return {
        index, status: "rejected", code: "schema",
        problems: [{ path: "payload.bad", rule: "type", message: "expected nothing" }],
      };
    const key = keyOf(event);
    const known = server.taken.get(key);
    if (known) return { index, id: known.id, status: "duplicate" };
    const id = `evt_${server.taken.size}`;
    server.taken.set(key, { id, event });
    return { index, id, status: "accepted" };
  });
  const count = (status) => events.filter((event) => event.status === status).length;
  const [accepted, duplicates, rejected] = ["accepted", "duplicate", "rejected"].map(count);
  if (accepted + duplicates)
    return { status: 202, body: { data: { accepted, duplicates, ...(rejected && { rejected }), events } } };
  const problems = events.flatMap(({ index, problems }) => problems.map((one) => ({ index, ...one })));
  return { status: 422, body: { error: { message: "all refused", code: "schema", problems } } };
}

/**
 * answer(n, body, server) for the n-th request, from 0: {status, headers, body},
 * "reset" (cut the connection), "hang" (never answer); undefined: take it.
 */
export async function gate(t, answer = () => undefined) {
  const server = { requests: [], taken: new Map(), url: "" };
  const http = createServer(async (req, res) => {
    const n = server.requests.length;
    const request = { headers: req.headers, path: req.url, method: req.method, at: performance.now() };
    server.requests.push(request);
    const chunks = [];
    for await (const chunk of req) chunks.push(chunk);
    request.raw = Buffer.concat(chunks);
    const isPacked = req.headers["content-encoding"] === "gzip";
    request.text = (isPacked ? gunzipSync(request.raw) : request.raw).toString("utf8");
    request.body = JSON.parse(request.text);
    const what = answer(n, request.body, server) ?? take(server, request.body);
    if (what === "reset") return req.socket.destroy();
    if (what === "hang") return undefined;
    const out = typeof what.body === "string" ? what.body : JSON.stringify(what.body ?? {});
    res.writeHead(what.status, { "Content-Type": "application/json", ...what.headers });
    return res.end(out);
  });
  await new Promise((done) => http.listen(0, "127.0.0.1", done));
  t.after(() => {
    http.closeAllConnections();
    http.close();
  });
  server.url = `http://127.0.0.1:${http.address().port}`;
  server.client = (options = {}) =>
    sdk.createClient({ url: server.url, apiKey: "key", retryDelayMs: 5, ...options });
  return server;
}

/** Wait for something to be true. */
export async function until(what, ms = 5000) {
  for (const end = performance.now() + ms; !(await what());) {
    if (performance.now() > end) throw new Error(`it did not come true: ${what}`);
    await new Promise((done) => setTimeout(done, 5));
  }
}

/** An onError that keeps what it hears. */
export function listener() {
  const heard = [];
  const onError = (error, events) => heard.push({ error, events });
  return { heard, onError };
}

/** The IngestError that a promise ends with. */
export async function failure(promise) {
  try {
    await promise;
  } catch (error) {
    if (error instanceof sdk.IngestError) return error;
    throw error;
  }
  throw new Error("it did not fail");
}
