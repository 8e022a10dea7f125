// SPDX-License-Identifier: MIT
// Sends webhooks to $GATE, signed by the vendors' own libraries, and prints a
// line of JSON for each: what it was, and how it was answered.  Keys and
// secrets are those of test-vendors-webhooks-arrive.py.
import { createHmac, createPrivateKey, sign as signBytes } from "node:crypto";
import { sign as octokit } from "@octokit/webhooks-methods";
import { Webhook } from "standardwebhooks";
import Stripe from "stripe";
import hubspotSignature from "@hubspot/api-client/lib/src/utils/signature.js";
import { LinearWebhookClient } from "@linear/sdk/webhooks";
import { Paddle } from "@paddle/paddle-node-sdk";
import { Webhook as Svix } from "svix";
import twilioWebhooks from "twilio/lib/webhooks/webhooks.js";

const form = "application/x-www-form-urlencoded";

async function post(name, token, body, headers, type = "application/json") {
    const answer = await fetch(`http://${process.env.GATE}/whk/${token}`, {
        method: "POST", body, headers: { "Content-Type": type, ...headers },
    });
    console.log(JSON.stringify({ name, status: answer.status, body: await answer.text() }));
}

const hmac = (secret, text, encoding) => createHmac("sha256", secret).update(text).digest(encoding);

const utf8 = "Grüße 🎉";

// --- GitHub, in both content types; the second delivery of each is a retry
async function github() {
    const body = JSON.stringify({ action: "opened", issue: { number: 7, title: utf8 } });
    for (let i = 0; i < 2; i++)
        await post("github", "github-token", body, {
            "X-GitHub-Event": "issues", "X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
            "X-Hub-Signature-256": await octokit(process.env.GITHUB_SECRET, body) });
    const payload = "payload=" + encodeURIComponent(body).replaceAll("%20", "+");
    await post("github form", "github-token", payload, {
        "X-GitHub-Event": "issues", "X-GitHub-Delivery": "form-1",
        "X-Hub-Signature-256": await octokit(process.env.GITHUB_SECRET, payload) }, form);
    await post("github wrong", "github-token", body, {
        "X-GitHub-Event": "issues", "X-GitHub-Delivery": "wrong-1",
        "X-Hub-Signature-256": await octokit("another secret", body) });
}

// --- Stripe, while its secret is rotated
async function stripe() {
    const library = new Stripe("sk_test_of_nobody");
    const header = (payload, secret, timestamp) =>
        library.webhooks.generateTestHeaderString({ payload, secret, timestamp });
    for (const [i, secret] of [process.env.STRIPE_SECRET, process.env.STRIPE_OLD].entries()) {
        const body = JSON.stringify({ id: `evt_${i}`, object: "event", type: "invoice.paid",
            data: { object: { amount: 1999, note: utf8 } } }, null, 2);
        await post("stripe", "stripe-token", body, { "Stripe-Signature": header(body, secret) });
    }
    const body = JSON.stringify({ id: "evt_late", type: "invoice.paid" });
    const late = Math.floor(Date.now() / 1000) - 600;
    await post("stripe late", "stripe-token", body,
        { "Stripe-Signature": header(body, process.env.STRIPE_SECRET, late) });
    // both secrets' signatures in one header, as Stripe sends during a rotation
    const both = JSON.stringify({ id: "evt_both", type: "invoice.paid" });
    const old = header(both, "whsec_unknown"), good = header(both, process.env.STRIPE_SECRET);
    await post("stripe both", "stripe-token", both,
        { "Stripe-Signature": `${old},${good.split(",").slice(1).join(",")}` });
}

// --- Standard Webhooks
async function standard() {
    const signer = new Webhook(process.env.STANDARD_SECRET);
    const body = JSON.stringify({ type: "contact.created", timestamp: new Date(), data: { name: utf8 } });
    const now = new Date();
    const head = (id, signature) => ({ "webhook-id": id, "webhook-signature": signature,
        "webhook-timestamp": String(Math.floor(now / 1000)) });
    for (let i = 0; i < 2; i++)
        await post("standard", "standard-token", body, head("msg_1", signer.sign("msg_1", now, body)));
    const stranger = new Webhook("whsec_" + Buffer.alloc(24, 1).toString("base64"));
    await post("standard several", "standard-token", body, head("msg_2",
        stranger.sign("msg_2", now, body) + " " + signer.sign("msg_2", now, body)));
    await post("standard wrong", "standard-token", body, head("msg_3", stranger.sign("msg_3", now, body)));
    // v1a: the library has no asymmetric half, so node's own Ed25519
    const key = createPrivateKey({ format: "der", type: "pkcs8",
        key: Buffer.from("302e020100300506032b657004220420" + process.env.ED25519_SEED, "hex") });
    const text = Buffer.from(`msg_4.${Math.floor(now / 1000)}.${body}`);
    await post("standard v1a", "standard-token", body,
        head("msg_4", "v1a," + signBytes(null, text, key).toString("base64")));
}

// --- Slack and Shopify publish no signing half: as their manuals say
async function others() {
    const slack = (name, body, type) => {
        const time = Math.floor(Date.now() / 1000);
        const signature = "v0=" + createHmac("sha256", process.env.SLACK_SECRET).update(`v0:${time}:${body}`).digest("hex");
        return post(name, "slack-token", body, { "X-Slack-Signature": signature, "X-Slack-Request-Timestamp": String(time) }, type);
    };
    await slack("slack url", JSON.stringify({ type: "url_verification", challenge: "c0ffee", token: "x" }));
    await slack("slack event", JSON.stringify({ type: "event_callback", event_id: "Ev1", event: { type: "reaction_added" } }));
    await slack("slack command", new URLSearchParams({ command: "/deploy", text: utf8, trigger_id: "1.2" }).toString(), form);
    await slack("slack action", new URLSearchParams({ payload: JSON.stringify({ type: "block_actions", trigger_id: "1.3" }) }).toString(), form);
    const order = JSON.stringify({ id: 820982911946154508n.toString(), note: utf8 });
    for (const topic of ["orders/create", "orders/paid", "orders/paid"])
        await post("shopify", "shopify-token", order, { "X-Shopify-Topic": topic, "X-Shopify-Event-Id": "98880550",
            "X-Shopify-Hmac-Sha256": createHmac("sha256", process.env.SHOPIFY_SECRET).update(order).digest("base64") });
}

// --- Paddle, Linear: their libraries verify, and have to agree with us
async function verifiers() {
    const paddle = new Paddle("key").webhooks, linear = new LinearWebhookClient(process.env.LINEAR_SECRET);
    const sold = JSON.stringify({ event_id: "evt_1", event_type: "transaction.completed", data: { note: utf8 } });
    for (const [name, secret, want] of [["paddle", process.env.PADDLE_SECRET, true], ["paddle", process.env.PADDLE_SECRET, true],
                                        ["paddle wrong", "another secret", false]]) {
        const now = Math.floor(Date.now() / 1000);
        const header = `ts=${now};h1=${hmac(secret, `${now}:${sold}`, "hex")}`;
        if (await paddle.isSignatureValid(sold, process.env.PADDLE_SECRET, header) !== want)
            throw new Error(`Paddle's library does not agree: ${name}`);
        await post(name, "paddle-token", sold, { "Paddle-Signature": header });
    }
    for (const [name, age] of [["linear", 0], ["linear late", 70000]]) {
        const issue = JSON.stringify({ action: "create", type: "Issue", data: { title: utf8 }, webhookTimestamp: Date.now() - age });
        const signature = hmac(process.env.LINEAR_SECRET, issue, "hex");
        let valid = false;
        try { valid = linear.verify(Buffer.from(issue), signature); } catch { /* it is late */ }
        if (valid !== !age)
            throw new Error(`Linear's library does not agree: ${name}`);
        await post(name, "linear-token", issue, { "Linear-Signature": signature, "Linear-Delivery": name });
    }
}

// --- Svix, HubSpot, Twilio: their libraries sign
async function signers() {
    const svix = new Svix(process.env.STANDARD_SECRET), now = new Date();
    const text = JSON.stringify({ type: "user.created", data: { name: utf8 } });
    await post("svix", "svix-token", text, { "svix-id": "msg_9", "svix-timestamp": String(Math.floor(now / 1000)),
        "svix-signature": svix.sign("msg_9", now, text) });

    const changes = JSON.stringify(["contact.creation", "contact.deletion"].map((subscriptionType, i) => ({
        eventId: i, subscriptionId: 10 + i, portalId: 62515, occurredAt: 1564113600000, subscriptionType, objectId: 123, note: utf8 })));
    for (const [name, age] of [["hubspot", 0], ["hubspot", 0], ["hubspot late", 301000]]) {
        const timestamp = Date.now() - age;
        await post(name, "hubspot-token", changes, { "X-HubSpot-Request-Timestamp": String(timestamp),
            "X-HubSpot-Signature-v3": hubspotSignature.Signature.getSignature("POST", "v3",
                { clientSecret: process.env.HUBSPOT_SECRET, url: "https://hooks.example.com/whk/hubspot-token?to=a:b",
                  requestBody: changes, timestamp }) });
    }

    const url = "https://hooks.example.com/whk/twilio-token", token = process.env.TWILIO_SECRET;
    const fields = { MessageSid: "SM1", SmsStatus: "received", Body: `${utf8} 1+1=2 & more`, From: "+14158675309", NumMedia: "0" };
    const twilio = (name, params, algorithm) => post(name, "twilio-token", new URLSearchParams(fields).toString(), {
        "X-Twilio-Signature": twilioWebhooks.getExpectedTwilioSignature(token, url, params, algorithm),
        "I-Twilio-Idempotency-Token": "t-1", ...(algorithm && {
            "X-Twilio-Webhooks-Signature-Settings": `key=webhooks_sharedkey_1,algorithm=${algorithm}` }) }, form);
    await twilio("twilio", fields);
    await twilio("twilio", fields, "HMAC_SHA256");
    await twilio("twilio wrong", { ...fields, From: "+1" });
    const stream = JSON.stringify([1, 2].map(n => ({ specversion: "1.0", type: "com.twilio.messaging.message.sent", source: "/a", id: `EZ${n}` })));
    const query = "?bodySHA256=" + twilioWebhooks.getExpectedBodyHash(stream);
    await post("twilio stream", "twilio-token" + query, stream,
        { "X-Twilio-Signature": twilioWebhooks.getExpectedTwilioSignature(token, url + query, {}) });
    await post("twilio unsigned", "twilio-token", stream,
        { "X-Twilio-Signature": twilioWebhooks.getExpectedTwilioSignature(token, url, {}) });
}

// --- PagerDuty and Zendesk have no library for this: as their manuals say
async function manuals() {
    const incident = JSON.stringify({ event: { id: "01D", event_type: "incident.triggered", data: { title: utf8 } } });
    await post("pagerduty", "pagerduty-token", incident, { "X-PagerDuty-Signature":
        `v1=${hmac("old", incident, "hex")},v1=${hmac(process.env.PAGERDUTY_SECRET, incident, "hex")}` });
    const time = new Date().toISOString();
    const ticket = JSON.stringify({ type: "zen:event-type:ticket.created", id: "7", zendesk_event_version: "2022-11-06", note: utf8 });
    await post("zendesk", "zendesk-token", ticket, { "X-Zendesk-Webhook-Signature-Timestamp": time,
        "X-Zendesk-Webhook-Signature": hmac(process.env.ZENDESK_SECRET, time + ticket, "base64") });
}

await github();
await stripe();
await standard();
await others();
await verifiers();
await signers();
await manuals();
