// SPDX-License-Identifier: MIT
// Nothing is declared, but a payload is still an object and a type a text.
import { ingest, ingestBatch } from "@ingestlayer/sdk";

export async function misuse(): Promise<void> {
  await ingest("any.thing", "text"); // error
  await ingest("any.thing", null); // error
  await ingest(5, {}); // error
  await ingestBatch({ type: "x", payload: {} }); // error
}
