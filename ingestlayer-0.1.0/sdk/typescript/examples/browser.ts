// SPDX-License-Identifier: MIT
// A page. Everybody can read its key, so the server lets it do little:
//
//   keys = ( { key = "pk_web"; publishable = true; types = ( "feature.used" );
//              origins = ( "https://app.example.com" ); rate = "100/s"; } );
import { configure, flush, track } from "@ingestlayer/sdk";

configure({
  url: "https://events.example.com",
  apiKey: "pk_web",
  onError: (error, events) => console.warn(error.code, events.length),
});

// What an earlier visit could not send goes out now, and counts once.
void flush();

document.querySelector("#export")?.addEventListener("click", () => {
  // Kept in localStorage until it is answered; sent within a second, or when
  // the page is left, or when the network is back.
  track("feature.used", { user_id: document.body.dataset.user ?? "", feature: "export" });
});
