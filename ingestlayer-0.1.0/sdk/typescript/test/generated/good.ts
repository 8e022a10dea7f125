// SPDX-License-Identifier: MIT
// What the gate takes compiles.
import { ingest, ingestBatch, track } from "@ingestlayer/sdk";

declare function crypto(): string;

export async function use(tags: readonly string[]): Promise<void> {
  await ingest("feature.used", { user_id: "u", paid: true });
  await ingest("feature.used", { user_id: "u", paid: false, count: 1.5, uses: 12345678901234567890n });
  track("feature.used", { user_id: "u", paid: true, count: null, context: null, tags: null, used_at: null });
  track("feature.used", { user_id: "u", paid: true, context: { a: [1, { b: null }] }, tags });
  track("feature.used", { user_id: "u", paid: true, tags: [1, "x"], used_at: new Date().toISOString() });
  track("page \"viewed\"", { "page-url": "/", "größe": 1, whatever: [1], "more-of it": { a: 1 } });
  track("ping", {});
  await ingest("order.placed", {
    order_id: crypto(), status: "sent \"back\"", level: -2.5, any: 7, note: null,
    customer: { email: "ada@acme.com", address: { zip: "1", floor: 3 } },
    items: [{ sku: "a" }, { sku: "b", count: 2n, sizes: ["s", null] }],
    grid: [[1, 2n], []],
  });
  track("order.placed", { order_id: crypto(), status: "new", level: 9007199254740993n, note: "x", customer: { email: "a@b", address: null }, items: null });
  track("order.placed", { order_id: crypto(), status: "paid", level: 18446744073709551615n, note: "x", customer: { email: "a@b" } });
  await ingestBatch([{ type: "ping", payload: {} }, { type: "feature.used", payload: { user_id: "u", paid: true } }]);
}
