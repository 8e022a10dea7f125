// SPDX-License-Identifier: MIT
// What an application does: import the SDK, say what happened.
// INGESTLAYER_URL and INGESTLAYER_KEY come from the environment; the module is
// given as the first argument because the demo runs from the build tree.
const { ingest, ingestBatch, IngestError } = await import(process.argv[2]);

const say = (text) => console.log(`  ${text}`);
const use = (user_id, feature, plan, count = 1) => ({ user_id, feature, count, plan });

// Three that the filter keeps, one at a time.
for (const [user, feature, plan] of [
  ["u_018f", "csv.export", "pro"],
  ["u_0191", "api.call", "free"],
  ["u_0192", "webhook.send", "team"],
]) {
  const receipt = await ingest("feature.used", use(user, feature, plan));
  say(`${receipt.status.padEnd(9)} ${receipt.id}  ${user} ${feature}`);
}

// A batch: two are kept (one of a user nobody knows), two are dropped.
const receipts = await ingestBatch([
  { type: "feature.used", payload: use("u_0190", "export", "pro", 3) },
  { type: "feature.used", payload: use("u_9999", "api.call", "free") },
  { type: "feature.used", payload: use("u_018f", "chart.edit", "pro") },
  { type: "feature.used", payload: use("u_0191", "sso.login", "free") },
]);
for (const receipt of receipts) say(`${receipt.status.padEnd(9)} ${receipt.id}  (batch)`);

// The same thing said twice, as after a lost answer: one event.
for (let i = 0; i < 2; i++) {
  const receipt = await ingest("feature.used", use("u_018f", "csv.export", "pro", 2), {
    idempotencyKey: "export-2026-11-23-u_018f",
  });
  say(`${receipt.status.padEnd(9)} ${receipt.id}  key export-2026-11-23-u_018f`);
}

// One that the declaration refuses.
try {
  await ingest("feature.used", { user_id: 42, feature: "csv.export" });
  process.exitCode = 1;
  say("a wrong event was accepted");
} catch (error) {
  if (!(error instanceof IngestError)) throw error;
  say(`refused   ${error.status} ${error.code}: ` +
    error.problems.map((p) => `${p.path}: ${p.message}`).join("; "));
}
