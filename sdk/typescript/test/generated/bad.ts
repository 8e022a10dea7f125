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
}
