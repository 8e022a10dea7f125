// SPDX-License-Identifier: MIT
// Declared events, used rightly: compiles.
import { configure, createClient, ingest, ingestBatch, IngestError } from "@ingestlayer/sdk";
import type { EventType, IngestEvent, Options, Payload, Problem, Receipt } from "@ingestlayer/sdk";

declare module "@ingestlayer/sdk" {
  interface Events {
    "feature.used": { user_id: string; feature: string; count?: number | bigint; plan?: "free" | "pro" };
    "signup.completed": Signup;
  }
}

interface Signup {
  email: string;
  referrer: { source: string; tags: string[] } | null;
}

export async function use(options: Options): Promise<void> {
  configure(options);
  const receipt: Receipt = await ingest("feature.used", { user_id: "u", feature: "csv.export", plan: "pro" });
  const status: "accepted" | "duplicate" = receipt.status;
  await ingest("signup.completed", { email: "a@b", referrer: null }, { idempotencyKey: status, timestamp: new Date() });
  const events: IngestEvent[] = [
    { type: "feature.used", payload: { user_id: "u", feature: "api", count: 2n } },
    { type: "signup.completed", payload: { email: "a@b", referrer: { source: "x", tags: [] } }, timestamp: "2026-01-01T00:00:00Z" },
  ];
  const receipts: Receipt[] = await ingestBatch(events);
  await createClient({ url: receipts[0]!.id, timeoutMs: 5 }).ingestBatch([
    { type: "feature.used", payload: { user_id: "u", feature: "api" } },
  ]);
  const type: EventType = "feature.used";
  const payload: Payload<"feature.used"> = { user_id: type, feature: "f" };
  try {
    await ingest(type, payload);
  } catch (error) {
    if (error instanceof IngestError && error.retryable) {
      const problem: Problem | undefined = error.problems[0];
      throw new Error(`${error.status} ${error.code} ${error.attempts} ${problem?.path}`);
    }
  }
}
