// SPDX-License-Identifier: MIT
// Nothing is declared: anything goes.
import { configure, ingest, ingestBatch } from "@ingestlayer/sdk";

interface Own {
  a: number;
}

export async function use(own: Own, type: string): Promise<void> {
  configure({ apiKey: "k", url: "http://localhost" });
  await ingest("any.thing", { a: 1, b: { c: [true, null] } });
  await ingest(type, own);
  await ingestBatch([{ type, payload: own }, { type: "x", payload: {} }]);
}
