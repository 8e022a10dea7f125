// SPDX-License-Identifier: MIT
// Declared events, used wrongly: an error on every marked line, and no other.
import { configure, flush, ingest, ingestBatch, track } from "@ingestlayer/sdk";

declare module "@ingestlayer/sdk" {
  interface Events {
    "feature.used": { user_id: string; feature: string; count?: number; plan?: "free" | "pro" };
    "signup.completed": { email: string };
  }
}

export async function misuse(): Promise<void> {
  await ingest("feature.usd", { user_id: "u", feature: "f" }); // error
  await ingest("feature.used", { user_id: "u" }); // error
  await ingest("feature.used", { user_id: 42, feature: "f" }); // error
  await ingest("feature.used", { user_id: "u", feature: "f", planned: 1 }); // error
  await ingest("feature.used", { user_id: "u", feature: "f", plan: "team" }); // error
  await ingest("feature.used", { email: "a@b" }); // error
  await ingest("signup.completed", { user_id: "u", feature: "f" }); // error
  await ingest("feature.used"); // error
  await ingest("feature.used", { user_id: "u", feature: "f" }, { idempotency_key: "k" }); // error
  await ingest("feature.used", { user_id: "u", feature: "f" }, { timestamp: 5 }); // error
  await ingestBatch([{ type: "feature.used", payload: { email: "a@b" } }]); // error
  await ingestBatch([{ type: "signup", payload: { email: "a@b" } }]); // error
  await ingestBatch([{ type: "signup.completed" }]); // error
  track("feature.usd", { user_id: "u", feature: "f" }); // error
  track("feature.used", { user_id: "u" }); // error
  track("feature.used", { user_id: "u", feature: "f" }, { key: "k" }); // error
  await flush(5); // error
  configure({ queue: { whenFull: "explode" } }); // error
  configure({ queue: { exitSignals: ["SIGKILL"] } }); // error
  const receipt = await ingest("signup.completed", { email: "a@b" });
  receipt.id = "x"; // error
  configure({ key: "k" }); // error
  configure({ retries: "5" }); // error
}
