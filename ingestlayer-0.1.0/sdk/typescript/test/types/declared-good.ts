// SPDX-License-Identifier: MIT
// Declared events, used rightly: compiles.
import { close, configure, createClient, flush, ingest, ingestBatch, IngestError, track } from "@ingestlayer/sdk";
import type { EventType, FlushReport, IngestEvent, LostEvent, OnError, Options, Payload, Problem, QueueOptions, Receipt, StorageLike } from "@ingestlayer/sdk";

declare module "@ingestlayer/sdk" {
  interface Events {
    "feature.used": { user_id: string; feature: string; count?: number | bigint; plan?: "free" | "pro" };
    "signup.completed": Signup;
  }
}

export const memory: StorageLike = {
  length: 0, key: () => null, getItem: () => null, setItem() {}, removeItem() {},
};

interface Signup {
  email: string;
  referrer: { source: string; tags: string[] } | null;
}

export async function use(options: Options): Promise<void> {
  configure(options);
  const queue: QueueOptions = { maxEvents: 5, whenFull: "oldest", exitSignals: ["SIGTERM"], storage: false };
  const lost: LostEvent[] = [];
  const onError: OnError = (error, events) => void lost.push(...events.slice(error.status));
  configure({ queue, onError, gzip: false });
  const isTaken: boolean = track("feature.used", { user_id: "u", feature: "f" }, { timestamp: new Date() });
  const report: FlushReport = await flush({ timeoutMs: Number(isTaken) });
  await close(report.pending ? { timeoutMs: 1 } : undefined);
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
