/* SPDX-License-Identifier: MIT */
/* The schemes that are known by name.  A new one is a row here, its name in
 * SCHEMES, and a paragraph in the manual. */
#include "hook.h"

#include <string.h>

/* Sent again within the tolerance it has the same id, or the same content. */
static const struct scheme ingestlayer_timed = {
    .name = "ingestlayer",
    .header = "X-Ingest-Signature",
    .form = { .split = SIGNATURE_SPLIT,
              .prefix = "sha256=",
              .timestamp_prefix = "t=",
              .size = 32 },
    .parts = { { PART_TIMESTAMP, NULL },
               { PART_OPTIONAL, "Idempotency-Key" },
               { PART_BODY, NULL } },
    .part_count = 3,
    .separator = ".",
};

/* With a SharedKey in place of the account's token. */
static const struct scheme twilio_shared = {
    .name = "twilio",
    .header = "X-Twilio-Signature",
    .form = { .split = SIGNATURE_SPLIT,
              .prefix = "",
              .encoding = SIGNATURE_BASE64,
              .size = 32 },
    .parts = { { PART_URL, NULL }, { PART_FORM, NULL } },
    .part_count = 2,
    .separator = "",
    .body_hash = 1,
};

/* Standard Webhooks, with its own names of headers or Svix's.  An item is
 * "v1,<base64>", so the comma parts nothing. */
#define STANDARD(own, others)                                                  \
    .header = own "signature",                                                 \
    .form = { .split = " ",                                                    \
              .prefix = "v1,",                                                 \
              .public_prefix = "v1a,",                                         \
              .encoding = SIGNATURE_BASE64 },                                  \
    .parts = { { PART_HEADER, own "id" },                                      \
               { PART_TIMESTAMP, NULL },                                       \
               { PART_BODY, NULL } },                                          \
    .separator = ".", .timestamp_header = own "timestamp",                     \
    .keys = { "$header." own "id", "$header." others "id" },                   \
    .base64_secrets = 1, .alias = { own, others }

static const struct scheme schemes[] = {
    { .name = "ingestlayer",
      .header = "X-Ingest-Signature",
      .form = { .prefix = "sha256=", .prefix_optional = 1 },
      .keys = { "$header.Idempotency-Key" },
      .other = { &ingestlayer_timed, "X-Ingest-Signature", "t=" },
      .content_key = 1 },
    { .name = "github",
      .header = "X-Hub-Signature-256",
      .form = { .prefix = "sha256=" },
      .types = { "$header.X-GitHub-Event" },
      .keys = { "$header.X-GitHub-Delivery" } },
    { .name = "stripe",
      .header = "Stripe-Signature",
      .form = { .prefix = "v1=", .timestamp_prefix = "t=" },
      .parts = { { PART_TIMESTAMP, NULL }, { PART_BODY, NULL } },
      .separator = ".",
      .keys = { "$body.id" } },
    { .name = "slack",
      .header = "X-Slack-Signature",
      .form = { .prefix = "v0=" },
      .parts = { { PART_TEXT, "v0" },
                 { PART_TIMESTAMP, NULL },
                 { PART_BODY, NULL } },
      .separator = ":",
      .timestamp_header = "X-Slack-Request-Timestamp",
      .keys = { "$body.event_id", "$body.trigger_id" },
      .challenge = 1,
      .receipt = 200 },
    { .name = "standard", STANDARD("webhook-", "svix-") },
    { .name = "svix", STANDARD("svix-", "webhook-") },
    /* One event may lead to webhooks of several topics under one id. */
    { .name = "shopify",
      .header = "X-Shopify-Hmac-Sha256",
      .form = { .encoding = SIGNATURE_BASE64 },
      .types = { "$header.X-Shopify-Topic" },
      .keys = { "{{ $header.X-Shopify-Topic }}:{{ $header.X-Shopify-Event-Id "
                "}}",
                "$header.X-Shopify-Webhook-Id" } },
    { .name = "paddle",
      .header = "Paddle-Signature",
      .form = { .prefix = "h1=", .timestamp_prefix = "ts=" },
      .parts = { { PART_TIMESTAMP, NULL }, { PART_BODY, NULL } },
      .separator = ":",
      .types = { "$body.event_type" },
      .keys = { "$body.event_id" } },
    /* An eventId is not promised to be unique by itself. */
    { .name = "hubspot",
      .header = "X-HubSpot-Signature-v3",
      .form = { .encoding = SIGNATURE_BASE64 },
      .parts = { { PART_METHOD, NULL },
                 { PART_URL, NULL },
                 { PART_BODY, NULL },
                 { PART_TIMESTAMP, NULL } },
      .timestamp_header = "X-HubSpot-Request-Timestamp",
      .types = { "$body.subscriptionType", "$body.eventType" },
      .keys = { "{{ $body.portalId }}:{{ $body.subscriptionId }}:"
                "{{ $body.eventId }}:{{ $body.occurredAt }}:"
                "{{ $body.objectId }}",
                "{{ $body.portalId }}:{{ $body.subscriptionId }}:"
                "{{ $body.eventId }}:{{ $body.occurredAt }}" },
      .batch = 1,
      .url_decoded = 1 },
    /* Only Event Streams has ids in its bodies: CloudEvents, many at once.
     * What is answered to a call or a message would be read as commands. */
    { .name = "twilio",
      .header = "X-Twilio-Signature",
      .form = { .encoding = SIGNATURE_BASE64 },
      .digest = DIGEST_SHA1,
      .parts = { { PART_URL, NULL }, { PART_FORM, NULL } },
      .types = { "message.{{ $body.MessageStatus }}",
                 "message.{{ $body.SmsStatus }}",
                 "call.{{ $body.CallStatus }}" },
      .keys = { "{{ $body.id }} {{ $body.source }}",
                "$header.I-Twilio-Idempotency-Token" },
      .receipt = 204,
      .batch = 1,
      .body_hash = 1,
      .other = { &twilio_shared, "X-Twilio-Webhooks-Signature-Settings",
                 "algorithm=HMAC_SHA256" } },
    { .name = "pagerduty",
      .header = "X-PagerDuty-Signature",
      .form = { .prefix = "v1=" },
      .types = { "$body.event.event_type" },
      .keys = { "$body.event.id" } },
    { .name = "linear",
      .header = "Linear-Signature",
      .timestamp_body = "$body.webhookTimestamp",
      .tolerance_s = 60,
      .types = { "{{ $body.type }}.{{ $body.action }}" },
      .keys = { "$header.Linear-Delivery" } },
    /* A webhook that a trigger sends has a body of the customer's making, whose
     * id may be that of a ticket. */
    { .name = "zendesk",
      .header = "X-Zendesk-Webhook-Signature",
      .form = { .encoding = SIGNATURE_BASE64 },
      .parts = { { PART_TIMESTAMP, NULL }, { PART_BODY, NULL } },
      .timestamp_header = "X-Zendesk-Webhook-Signature-Timestamp",
      .keys = { "{{ $body.zendesk_event_version }}:{{ $body.id }}",
                "$header.X-Zendesk-Webhook-Invocation-Id" } },
    { .name = "cloudevents",
      .types = { "$header.ce-type" },
      .keys = { "{{ $header.ce-id }} {{ $header.ce-source }}",
                "{{ $body.id }} {{ $body.source }}" },
      .batch = 1 },
    { .name = "generic", .keys = { "$header.Idempotency-Key" } },
};

const struct scheme *
scheme_named(const char *name)
{
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
        if (!strcmp(name, schemes[i].name))
            return &schemes[i];
    return NULL;
}
