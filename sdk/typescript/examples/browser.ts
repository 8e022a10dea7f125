// SPDX-License-Identifier: MIT
// A page. Everybody can read its key: use one that may only send these events.
import { configure, flush, track } from "@ingestlayer/sdk";

configure({
  url: "https://events.example.com",
  apiKey: "pk_only_sends_events",
  onError: (error, events) => console.warn(error.code, events.length),
});

// What an earlier visit could not send goes out now, and counts once.
void flush();

document.querySelector("#export")?.addEventListener("click", () => {
  // Kept in localStorage until it is answered; sent within a second, or when
  // the page is left, or when the network is back.
  track("feature.used", { user_id: document.body.dataset.user ?? "", feature: "export" });
});
