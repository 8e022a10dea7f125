// SPDX-License-Identifier: MIT
// A server that runs for long. INGESTLAYER_URL and INGESTLAYER_KEY are in its
// environment, the types in events.d.ts (`ingestlayer types`).
import { close, configure, ingest, IngestError, track } from "@ingestlayer/sdk";
import express from "express";

configure({
  onError: (error, events) => console.error(`${events.length} events lost: ${error.message}`),
});

const app = express();
app.use(express.json());

app.get("/export.csv", (request, response) => {
  // In the background: the request does not wait for it, and cannot fail of it.
  track("feature.used", { user_id: request.header("x-user") ?? "", feature: "csv.export", count: 1 });
  response.type("csv").send("id,name\n");
});

app.post("/webhooks", async (request, response) => {
  try {
    // Where it must not be lost: answered only when the event is on disk. The
    // caller's own id as the key: if it calls again, the event counts once.
    await ingest(
      "feature.used",
      { user_id: String(request.body.user), feature: "webhook" },
      { idempotencyKey: String(request.body.id) },
    );
    response.sendStatus(204);
  } catch (error) {
    response.sendStatus(error instanceof IngestError && error.retryable ? 503 : 422);
  }
});

const server = app.listen(Number(process.env.PORT ?? 3000));

// No new requests, then the events of the last ones.
process.once("SIGTERM", () => {
  server.close(() => {
    void close({ timeoutMs: 10_000 }).then(({ pending }) => process.exit(pending ? 1 : 0));
  });
});
