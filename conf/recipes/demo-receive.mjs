// SPDX-License-Identifier: MIT
// What an endpoint does: check the signature, by the rules of Standard Webhooks,
// then take the alert.  A library does the same (npm install standardwebhooks).
//   node demo-receive.mjs PORT FILE    ALERT_SECRET from the environment; each
//   alert is a line of FILE: its id, its body
import { createHmac, timingSafeEqual } from "node:crypto";
import { appendFileSync } from "node:fs";
import { createServer } from "node:http";

const [port, file] = process.argv.slice(2);
const key = Buffer.from(process.env.ALERT_SECRET.replace(/^whsec_/, ""), "base64");

function genuine(headers, body) {
  const { "webhook-id": id, "webhook-timestamp": time, "webhook-signature": given = "" } = headers;
  if (!(Math.abs(Date.now() / 1000 - time) < 300)) return false;
  const made = createHmac("sha256", key).update(`${id}.${time}.`).update(body).digest();
  return given.split(" ").some((one) => {
    const [version, text] = one.split(",");
    const signature = Buffer.from(text ?? "", "base64");
    return version === "v1" && signature.length === made.length && timingSafeEqual(signature, made);
  });
}

createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  const body = Buffer.concat(parts);
  const good = request.method === "POST" && genuine(request.headers, body);
  if (good) appendFileSync(file, `${request.headers["webhook-id"]} ${body}\n`);
  response.writeHead(good ? 204 : request.method === "POST" ? 401 : 405).end();
}).listen(Number(port), "127.0.0.1", () => console.log("listening"));
