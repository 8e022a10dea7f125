/* SPDX-License-Identifier: MIT */
#include "gate/entities.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* A request as plugins see one, without a server. */
struct il_request {
    const struct il_api *api;
    const char *method, *path, *type, *body;
    size_t body_len;
    const char *query[6]; /* name, value, ..., NULL */
    int status, answers;
    struct il_text answer;
    char allow[64], retry[16];
};

static const char *
fake_method(const struct il_request *r)
{
    return r->method;
}

static const char *
fake_path(const struct il_request *r)
{
    return r->path;
}

static const char *
fake_header(const struct il_request *r, const char *name)
{
    return strcasecmp(name, "content-type") ? NULL : r->type;
}

static const char *
fake_query(const struct il_request *r, const char *name)
{
    for (int i = 0; r->query[i]; i += 2) {
        if (!strcmp(r->query[i], name))
            return r->query[i + 1];
    }
    return NULL;
}

static const void *
fake_body(const struct il_request *r, size_t *len)
{
    *len = r->body_len;
    return r->body;
}

static void
fake_respond_header(struct il_request *r, const char *name, const char *value)
{
    if (!strcmp(name, "Allow"))
        snprintf(r->allow, sizeof(r->allow), "%s", value);
    if (!strcmp(name, "Retry-After"))
        snprintf(r->retry, sizeof(r->retry), "%s", value);
}

static void
fake_respond(struct il_request *r, int status, const char *type,
             const void *body, size_t len)
{
    ck_assert_str_eq(type, "application/json");
    r->status = status;
    r->answers++;
    ck_assert_int_eq(text_put(&r->answer, body, len), 0);
}

static void
fake_error(struct il_request *r, int status, const char *code,
           const char *text, size_t len)
{
    r->status = status;
    r->answers++;
    text_printf(&r->answer, "%s: ", code);
    text_put(&r->answer, text, len);
}

static const struct il_api api = {
    .struct_size = sizeof(api),
    .request_method = fake_method,
    .request_path = fake_path,
    .request_header = fake_header,
    .request_query = fake_query,
    .request_body = fake_body,
    .respond_header = fake_respond_header,
    .respond = fake_respond,
    .respond_error_text = fake_error,
};

static char base[64], dir[80];
static struct entities *store;
static struct il_request req;

static void
setup(void)
{
    strcpy(base, "/tmp/test-entity-api-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(base));
    snprintf(dir, sizeof(dir), "%s/entities", base);
    ck_assert_int_eq(entity_open(dir, 64 << 20, &store), 0);
}

static void
teardown(void)
{
    char path[128];
    text_clear(&req.answer);
    entity_close(store);
    snprintf(path, sizeof(path), "%s/data.mdb", dir);
    unlink(path);
    snprintf(path, sizeof(path), "%s/lock.mdb", dir);
    unlink(path);
    rmdir(dir);
    rmdir(base);
}

static const char *
answer_to(void)
{
    text_clear(&req.answer);
    req.api = &api;
    req.status = req.answers = 0;
    req.allow[0] = req.retry[0] = 0;
    gate_entities(store, &req);
    ck_assert_int_eq(req.answers, 1);
    return text_str(&req.answer);
}

/* The body is copied to where nothing readable follows it. */
static const char *
call(const char *method, const char *path, const char *body)
{
    char *exact = NULL;
    req.method = method;
    req.path = path;
    req.body_len = body ? strlen(body) : 0;
    if (body) {
        exact = malloc(req.body_len ? req.body_len : 1);
        memcpy(exact, body, req.body_len);
    }
    req.body = exact;
    const char *answer = answer_to();
    free(exact);
    req.body = NULL;
    memset(req.query, 0, sizeof(req.query));
    return answer;
}

static void
expect(int status, const char *part)
{
    ck_assert_msg(req.status == status, "status %d: %s", req.status,
                  text_str(&req.answer));
    ck_assert_msg(strstr(text_str(&req.answer), part), "no %s in %s", part,
                  text_str(&req.answer));
}

/* What is there, without the times. */
static void
expect_traits(const char *kind, const char *id, const char *traits)
{
    struct il_text copy = { 0 }, out = { 0 };
    struct entity one;
    int found = entity_get(store, slice_of(kind, strlen(kind)),
                           slice_of(id, strlen(id)), &copy, &one);
    ck_assert_msg(found == (traits != NULL), "%s %s: %d", kind, id, found);
    if (found) {
        json_write(&out, &one.traits, 0);
        ck_assert_str_eq(text_str(&out), traits);
    }
    text_clear(&copy);
    text_clear(&out);
}

START_TEST(one_is_made_and_merged)
{
    call("POST", "/v1/entities",
         "{\"kind\":\"user\",\"external_id\":\"u1\","
         "\"traits\":{\"plan\":\"pro\",\"n\":1.10}}");
    expect(201, "{\"data\":{\"kind\":\"user\",\"external_id\":\"u1\","
                "\"traits\":{\"plan\":\"pro\",\"n\":1.10},\"first_seen\":\"");
    call("POST", "/v1/entities",
         "{\"traits\":{\"plan\":\"free\"},"
         "\"external_id\":\"u1\",\"kind\":\"user\"}");
    expect(200, "\"traits\":{\"plan\":\"free\",\"n\":1.10}");
    call("POST", "/v1/entities/", "{\"kind\":\"user\",\"external_id\":42}");
    expect(201, "\"external_id\":\"42\",\"traits\":{}");
    expect_traits("user", "42", "{}");
}
END_TEST

START_TEST(bad_ones_say_why)
{
    static const struct {
        const char *body, *why;
        int status;
    } cases[] = {
        { "", "invalid_json", 400 },
        { "{", "invalid_json", 400 },
        { "{\"kind\":\"user\"", "invalid_json", 400 },
        { "{\"kind\":\"user\",\"external_id\":\"u\"} x", "invalid_json", 400 },
        { "7", "an entity must be an object", 422 },
        { "{\"external_id\":\"u\"}", "kind is missing", 422 },
        { "{\"kind\":\"user\"}", "external_id is missing", 422 },
        { "{\"kind\":\"User\",\"external_id\":\"u\"}", "kind must be", 422 },
        { "{\"kind\":1,\"external_id\":\"u\"}", "kind must be", 422 },
        { "{\"kind\":\"user\",\"external_id\":\"\"}", "external_id must", 422 },
        { "{\"kind\":\"user\",\"external_id\":\"a\\u0000\"}",
          "external_id must", 422 },
        { "{\"kind\":\"user\",\"external_id\":null}", "external_id must", 422 },
        { "{\"kind\":\"user\",\"external_id\":\"u\",\"traits\":[]}",
          "traits must be an object", 422 },
        { "{\"kind\":\"user\",\"external_id\":\"u\",\"trait\":{}}",
          "unknown field \"trait\"", 422 },
        { "{\"kind\":\"user\",\"external_id\":\"u\",\"kind\":\"user\"}",
          "kind is there twice", 422 },
        { "{\"kind\":\"user\",\"external_id\":\"u\",\"traits\":"
          "{\"a\":1,\"a\":2}}",
          "invalid_json", 400 },
        { "{\"entities\":{}}", "must be an array", 422 },
        { "{\"entities\":[],\"kind\":\"user\"}", "stand alone", 422 },
        { "{\"kind\":\"user\",\"entities\":[]}", "unknown field", 422 },
        { "[{\"kind\":\"user\",\"external_id\":\"u\"}", "invalid_json", 400 },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        call("POST", "/v1/entities", cases[i].body);
        expect(cases[i].status, cases[i].why);
    }
    ck_assert_uint_eq(entity_count(store), 0);
    req.type = "text/plain";
    call("POST", "/v1/entities", "{}");
    expect(415, "unsupported_media_type");
}
END_TEST

#define GOOD1 "{\"kind\":\"user\",\"external_id\":\"a\",\"traits\":{\"n\":1}}"
#define GOOD2 "{\"kind\":\"user\",\"external_id\":\"b\"}"
#define BAD "{\"kind\":\"user\",\"external_id\":[]}"

START_TEST(in_bulk_the_good_ones_are_put)
{
    static const char *const bodies[] = {
        "[" GOOD1 "," BAD "," GOOD2 "," GOOD1 "]",
        " {\"entities\" : [" GOOD1 "," BAD "," GOOD2 "," GOOD1 "] } ",
        GOOD1 "\n" BAD "\r\n" GOOD2 "\n" GOOD1,
        GOOD1 "\n\n  \r\n{\"kind\":\n" GOOD2 "\n" GOOD1 "\n",
    };
    for (size_t i = 0; i < 4; i++) {
        req.type =
            i < 2 ? "application/json; charset=utf-8" : "Application/x-ndjson";
        call("POST", "/v1/entities", bodies[i]);
        expect(200, i ? "{\"data\":{\"created\":0,\"merged\":3,\"failed\":1,"
                        "\"problems\":[{\"index\":1,"
                        "\"code\":\"invalid_entity\",\"message\":\""
                      : "{\"data\":{\"created\":2,\"merged\":1,\"failed\":1,");
        expect_traits("user", "a", "{\"n\":1}");
        expect_traits("user", "b", "{}");
        ck_assert_uint_eq(entity_count(store), 2);
    }
}
END_TEST

START_TEST(in_bulk_one_or_none_is_still_a_bulk)
{
    call("POST", "/v1/entities", "[" GOOD1 "]");
    expect(200, "{\"data\":{\"created\":1,\"merged\":0,\"failed\":0,"
                "\"problems\":[]}}");
    call("POST", "/v1/entities", "[]");
    expect(200, "\"created\":0,\"merged\":0");
    call("POST", "/v1/entities", "[" BAD "]");
    expect(422, "\"code\":\"invalid_entity\",\"problems\":[{\"index\":0");
}
END_TEST

START_TEST(too_many_are_refused_whole)
{
    struct il_text body = { 0 };
    text_putc(&body, '[');
    for (int i = 0; i <= ENTITY_API_MAX; i++)
        text_printf(&body, "%s{\"kind\":\"user\",\"external_id\":%d}",
                    i ? "," : "", i);
    text_putc(&body, ']');
    call("POST", "/v1/entities", text_str(&body));
    expect(413, "too_many");
    ck_assert_uint_eq(entity_count(store), 0);
    text_clear(&body);
}
END_TEST

START_TEST(one_is_read_changed_and_removed_by_its_path)
{
    call("POST", "/v1/entities",
         "{\"kind\":\"user\",\"external_id\":"
         "\"a/b c%\xC3\xA4\",\"traits\":{\"x\":1}}");
    const char *path = "/v1/entities/user/a/b c%\xC3\xA4"; /* decoded */
    call("GET", path, NULL);
    expect(200, "\"external_id\":\"a/b c%\xC3\xA4\"");
    call("PATCH", path, "{\"traits\":{\"y\":null}}");
    expect(200, "\"traits\":{\"x\":1,\"y\":null}");
    call("DELETE", path, NULL);
    expect(200, "\"deleted\":true");
    call("DELETE", path, NULL);
    expect(404, "not_found");
    call("GET", path, NULL);
    expect(404, "not_found");
    call("PATCH", path, "{\"traits\":{\"y\":2}}");
    expect(404, "not_found");
    ck_assert_uint_eq(entity_count(store), 0);
}
END_TEST

START_TEST(bad_paths_are_unknown)
{
    static const char *const paths[] = {
        "/v1/entities/user",
        "/v1/entities/user/",
        "/v1/entities/User/u",
        "/v1/entities//u",
        "/v1/entities/user/v",
        "/v1/entitiesx",
        "/v1",
    };
    call("POST", "/v1/entities", "{\"kind\":\"user\",\"external_id\":\"u\"}");
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        call("DELETE", paths[i], NULL);
        ck_assert_msg(req.status == 404, "%s: %d", paths[i], req.status);
    }
    expect_traits("user", "u", "{}");
}
END_TEST

START_TEST(bad_patches_say_why)
{
    static const char *const bodies[] = {
        "{}",
        "{\"traits\":1}",
        "{\"x\":{}}",
        "[]",
        "{\"traits\":{},\"kind\":\"user\"}",
        "{\"traits\":{},\"traits\":{}}",
    };
    call("POST", "/v1/entities", "{\"kind\":\"user\",\"external_id\":\"u\"}");
    for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++) {
        call("PATCH", "/v1/entities/user/u", bodies[i]);
        expect(422, "expected an object with \"traits\"");
    }
    call("PATCH", "/v1/entities/user/u", "{\"traits\":{}");
    expect(400, "invalid_json");
}
END_TEST

START_TEST(methods_that_do_not_fit)
{
    call("PUT", "/v1/entities", "{}");
    expect(405, "method_not_allowed");
    ck_assert_str_eq(req.allow, "GET, POST");
    call("POST", "/v1/entities/user/u", "{}");
    expect(405, "method_not_allowed");
    ck_assert_str_eq(req.allow, "GET, PATCH, DELETE");
}
END_TEST

START_TEST(lists_come_in_pages)
{
    call("POST", "/v1/entities",
         "[{\"kind\":\"user\",\"external_id\":\"a\"},"
         "{\"kind\":\"user\",\"external_id\":\"b/\\\"\"},"
         "{\"kind\":\"user\",\"external_id\":\"c\"},"
         "{\"kind\":\"account\",\"external_id\":\"z\"}]");
    req.query[0] = "kind", req.query[1] = "user";
    req.query[2] = "limit", req.query[3] = "2";
    call("GET", "/v1/entities", NULL);
    expect(200, "],\"next\":\"b/\\\"\"}}");
    expect(200, "{\"data\":{\"entities\":[{\"kind\":\"user\","
                "\"external_id\":\"a\"");
    req.query[0] = "kind", req.query[1] = "user";
    req.query[2] = "after", req.query[3] = "b/\"";
    call("GET", "/v1/entities", NULL);
    expect(200, "[{\"kind\":\"user\",\"external_id\":\"c\"");
    expect(200, "],\"next\":null}}");
    req.query[0] = "limit", req.query[1] = "1";
    call("GET", "/v1/entities", NULL);
    expect(200, "\"next\":\"account/z\"");
    req.query[0] = "after", req.query[1] = "account/z";
    call("GET", "/v1/entities", NULL);
    expect(200, "[{\"kind\":\"user\",\"external_id\":\"a\"");
    req.query[0] = "kind", req.query[1] = "nobody";
    call("GET", "/v1/entities", NULL);
    expect(200, "{\"data\":{\"entities\":[],\"next\":null}}");
}
END_TEST

START_TEST(bad_queries_say_why)
{
    static const char *const bad[][2] = {
        { "kind", "User" },     { "kind", "" },    { "limit", "0" },
        { "limit", "1001" },    { "limit", "2x" }, { "limit", "" },
        { "after", "noslash" },
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        req.query[0] = bad[i][0], req.query[1] = bad[i][1];
        call("GET", "/v1/entities", NULL);
        expect(400, "invalid_query");
    }
}
END_TEST

START_TEST(a_full_store_is_503)
{
    entity_close(store);
    ck_assert_int_eq(entity_open(dir, 1 << 20, &store), 0);
    size_t len = 300000;
    char *big = malloc(len + 100), head[100];
    for (int i = 0; i < 10; i++) {
        snprintf(head, sizeof(head),
                 "{\"kind\":\"user\",\"external_id\":%d,"
                 "\"traits\":{\"t\":\"",
                 i);
        memset(big, 'x', len);
        memcpy(big, head, strlen(head));
        strcpy(big + len, "\"}}");
        call("POST", "/v1/entities", big);
        if (req.status == 503)
            break;
    }
    free(big);
    expect(503, "storage_full");
    ck_assert_str_ne(req.retry, "");
}
END_TEST

int
main(void)
{
    Suite *s = suite_create("entity-api");
    TCase *c = tcase_create("entity-api");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, one_is_made_and_merged);
    tcase_add_test(c, bad_ones_say_why);
    tcase_add_test(c, in_bulk_the_good_ones_are_put);
    tcase_add_test(c, in_bulk_one_or_none_is_still_a_bulk);
    tcase_add_test(c, too_many_are_refused_whole);
    tcase_add_test(c, one_is_read_changed_and_removed_by_its_path);
    tcase_add_test(c, bad_paths_are_unknown);
    tcase_add_test(c, bad_patches_say_why);
    tcase_add_test(c, methods_that_do_not_fit);
    tcase_add_test(c, lists_come_in_pages);
    tcase_add_test(c, bad_queries_say_why);
    tcase_add_test(c, a_full_store_is_503);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
