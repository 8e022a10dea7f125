// SPDX-License-Identifier: MIT
// What the gate would refuse does not.
import { ingest, ingestBatch, track } from "@ingestlayer/sdk";

export async function misuse(): Promise<void> {
  await ingest("feature.usd", { user_id: "u", paid: true }); // error
  await ingest("feature.used", { user_id: "u" }); // error
  await ingest("feature.used", { user_id: "u", paid: "yes" }); // error
  await ingest("feature.used", { user_id: null, paid: true }); // error
  await ingest("feature.used", { user_id: "u", paid: true, cuont: 1 }); // error
  track("feature.used", { user_id: "u", paid: true, count: "1" }); // error
  track("feature.used", { user_id: "u", paid: true, uses: "1" }); // error
  track("feature.used", { user_id: "u", paid: true, context: "x" }); // error
  track("feature.used", { user_id: "u", paid: true, context: ["x"] }); // error
  track("feature.used", { user_id: "u", paid: true, tags: { a: 1 } }); // error
  track("feature.used", { user_id: "u", paid: true, used_at: 5 }); // error
  track("page \"viewed\"", { whatever: 1 }); // error
  track("page \"viewed\"", { "page-url": "/", "größe": "1" }); // error
  track("ping", { a: 1 }); // error
  track("ping", 5); // error
  await ingestBatch([{ type: "feature.used", payload: { paid: true } }]); // error
  const order = { order_id: "x", status: "new", note: "n", customer: { email: "a@b" } } as const;
  track("order.placed", order);
  track("order.placed", { ...order, status: "News" }); // error
  track("order.placed", { ...order, status: null }); // error
  track("order.placed", { ...order, level: 2 }); // error
  track("order.placed", { ...order, level: 9007199254740992n }); // error
  track("order.placed", { ...order, note: undefined }); // error
  track("order.placed", { order_id: "x", status: "new", customer: { email: "a@b" } }); // error
  track("order.placed", { ...order, customer: null }); // error
  track("order.placed", { ...order, customer: {} }); // error
  track("order.placed", { ...order, customer: { email: 1 } }); // error
  track("order.placed", { ...order, customer: { email: "a@b", phone: "1" } }); // error
  track("order.placed", { ...order, customer: { email: "a@b", address: { floor: 3 } } }); // error
  track("order.placed", { ...order, items: { sku: "a" } }); // error
  track("order.placed", { ...order, items: [{ count: 1 }] }); // error
  track("order.placed", { ...order, items: [{ sku: "a" }, null] }); // error
  track("order.placed", { ...order, items: [{ sku: "a", sizes: ["s", "xl"] }] }); // error
  track("order.placed", { ...order, items: [{ sku: "a", colour: "red" }] }); // error
  track("order.placed", { ...order, grid: [[1, null]] }); // error
  track("order.placed", { ...order, grid: [1] }); // error
}
