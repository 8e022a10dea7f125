// SPDX-License-Identifier: MIT
// Verifies what test-libraries-verify-our-signatures.py puts on stdin, a line of
// JSON each: { secret or public, headers, body }, and prints a line for each
// library: its name and "ok" or what it says.
import { createPublicKey, verify } from "node:crypto";
import { createInterface } from "node:readline";
import { Webhook } from "standardwebhooks";
import { Webhook as Svix } from "svix";

function attempt(name, fn) {
    try {
        fn();
        console.log(`${name} ok`);
    } catch (error) {
        console.log(`${name} ${error.message}`);
    }
}

// No library of npm verifies v1a; Node's own Ed25519 is another's as well.
function asymmetric({ public: key, headers, body }) {
    const der = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), Buffer.from(key, "base64")]);
    const content = Buffer.from(`${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`);
    const signatures = headers["webhook-signature"].split(" ").filter((item) => item.startsWith("v1a,"));
    if (!signatures.some((item) => verify(null, content, createPublicKey({ key: der, format: "der", type: "spki" }),
        Buffer.from(item.slice(4), "base64"))))
        throw new Error("no signature fits");
}

for await (const line of createInterface({ input: process.stdin })) {
    const one = JSON.parse(line);
    if (one.public) {
        attempt("node", () => asymmetric(one));
        continue;
    }
    attempt("standardwebhooks", () => new Webhook(one.secret).verify(one.body, one.headers));
    attempt("svix", () => new Svix(one.secret).verify(one.body, one.headers));
}
