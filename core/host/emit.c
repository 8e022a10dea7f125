/* SPDX-License-Identifier: MIT */
/* An operator's events, through the gate without a key. */
#include "private.h"

#include "http/http.h"

int
host_emit(struct host_request *r)
{
    const char *source = il_request_query(r->http, "source"), *code;
    struct il_text said = { 0 };
    int lines;
    if (http_json_type(r->http, &lines))
        return 0;
    int status = gate_control(r->host->gate, source ? source : "", lines,
                              r->body, r->out, &code);
    r->type = "application/x-ndjson";
    if (status == 200)
        return status;
    text_put(&said, r->out->data, r->out->len);
    host_refuse(r, status, code, "%s", text_str(&said));
    text_clear(&said);
    return status;
}
