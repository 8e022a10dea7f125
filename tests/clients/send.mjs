// SPDX-License-Identifier: MIT
// Sends events to the gate with unmodified clients of other systems, through a
// proxy that forwards each client's first request and then loses the answer, so
// that the client sends it again.  Prints what the clients said, a line each.
import http from "node:http";
import { Analytics } from "@segment/analytics-node";
import Rudder from "@rudderstack/rudder-sdk-node";
import { CloudEvent, HTTP, Mode, emitterFor, httpTransport } from "cloudevents";

const gate = process.env.GATE;
const key = process.env.KEY;
let requests = 0;
let lose = 0;

const proxy = http.createServer((req, res) => {
  requests++;
  const forward = http.request(`http://${gate}${req.url}`, { method: req.method, headers: req.headers }, (answer) => {
    if (lose > 0) {
      lose--;
      answer.resume();
      answer.on("end", () => req.socket.destroy());
      return;
    }
    res.writeHead(answer.statusCode, answer.headers);
    answer.pipe(res);
  });
  forward.on("error", () => req.socket.destroy());
  req.pipe(forward);
});
await new Promise((done) => proxy.listen(0, "127.0.0.1", done));
const url = `http://127.0.0.1:${proxy.address().port}`;

function begin() {
  requests = 0;
  lose = 1;
}

function tell(name, rest) {
  console.log(JSON.stringify({ name, requests, ...rest }));
}

const calls = (user, account) => [
  ["identify", { userId: user, traits: { plan: "pro", seats: 3 } }],
  ["group", { userId: user, groupId: account, traits: { name: "Acme Grüße 🎉" } }],
  ["track", { userId: user, event: "Order Completed", properties: { total: 12.5, sku: "a" },
    timestamp: new Date("2026-01-31T12:00:00.250Z") }],
  ["track", { anonymousId: "anon-1", event: "feature.used", properties: { feature: "csv.export", count: 2 } }],
  ["page", { userId: user, name: "Home", category: "Docs", properties: { path: "/" } }],
  ["screen", { userId: user, name: "Start" }],
  ["alias", { userId: user, previousId: "anon-1" }],
];

async function segment() {
  begin();
  const errors = [];
  // with what their users write: a slash behind the host, times without a zone
  const client = new Analytics({ writeKey: key, host: `${url}/`, flushAt: 7, flushInterval: 100 });
  client.on("error", (e) => errors.push(String(e.reason ?? e)));
  for (const [call, message] of calls("u-segment", "acme"))
    client[call](message.timestamp ? { ...message, timestamp: "2026-01-31T12:00:00.250" } : message);
  await client.closeAndFlush({ timeout: 20000 });
  tell("segment", { errors });
}

async function rudder() {
  begin();
  const errors = [];
  const client = new Rudder(key, { dataPlaneUrl: `${url}/`, flushAt: 7, flushInterval: 100, logLevel: "none" });
  const done = calls("u-rudder", "umbrella").map(([call, message]) =>
    new Promise((resolve) => client[call](message, (e) => { if (e) errors.push(String(e)); resolve(); })));
  await client.flush();
  await Promise.all(done);
  tell("rudder", { errors });
}

const event = (id, data, more) =>
  new CloudEvent({ id, source: "https://shop.example/orders", type: "com.example.order", subject: "o/1",
    time: "2026-01-31T12:00:00.250Z", data, ...more });

async function cloudevents() {
  const headers = { Authorization: `Bearer ${key}` };
  lose = 0;
  const said = [];
  for (const mode of [Mode.BINARY, Mode.STRUCTURED]) {
    const emit = emitterFor(httpTransport(`${url}/v1/ingest`), { mode });
    const one = event(`ce-${mode}`, { total: 12.5, user_id: "u-segment" }, { tenant: "t1" });
    for (let i = 0; i < 2; i++) said.push(JSON.parse((await emit(one, { headers })).body).data);
  }
  // the same id of another source is another event
  const other = emitterFor(httpTransport(`${url}/v1/ingest`), { mode: Mode.BINARY });
  const moved = event("ce-binary", { total: 1 }).cloneWith({ source: "/elsewhere" });
  said.push(JSON.parse((await other(moved, { headers })).body).data);
  // the library has no batches to send; it makes what is in them
  const parts = ["b1", "b2", "b1"].map((id) => HTTP.structured(event(id, [1, 2])).body);
  const answer = await fetch(`${url}/v1/ingest`, { method: "POST", body: `[${parts.join(",")}]`,
    headers: { ...headers, "Content-Type": "application/cloudevents-batch+json" } });
  said.push((await answer.json()).data);
  tell("cloudevents", { said: said.map((d) => [d.accepted, d.duplicates]) });
}

await segment();
await rudder();
await cloudevents();
proxy.close();
proxy.closeAllConnections();
