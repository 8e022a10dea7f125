// SPDX-License-Identifier: MIT
// What the gate takes compiles.
import { ingest, ingestBatch, track } from "@ingestlayer/sdk";

export async function use(tags: readonly string[]): Promise<void> {
  await ingest("feature.used", { user_id: "u", paid: true });
  await ingest("feature.used", { user_id: "u", paid: false, count: 1.5, uses: 12345678901234567890n });
  track("feature.used", { user_id: "u", paid: true, count: null, context: null, tags: null, used_at: null });
  track("feature.used", { user_id: "u", paid: true, context: { a: [1, { b: null }] }, tags });
  track("feature.used", { user_id: "u", paid: true, tags: [1, "x"], used_at: new Date().toISOString() });
  track("page \"viewed\"", { "page-url": "/", "größe": 1, whatever: [1], "more-of it": { a: 1 } });
  track("ping", {});
  await ingestBatch([{ type: "ping", payload: {} }, { type: "feature.used", payload: { user_id: "u", paid: true } }]);
}
