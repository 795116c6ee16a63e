#include "../unit.h"

#include <jansson.h>

#include "../host.h"
#include "../../../src/api/route.h"

static const bk_keyring_t *keys; /* of the group */
static bk_site_t site;
static host_t host;
static bk_resp_t resp;
static bk_log_level_t logged_level;
static char logged[1024];

static void log_keep(bk_log_level_t level, const char *line)
{
    logged_level = level;
    apr_cpystrn(logged, line, sizeof(logged));
}

/* --- requests ----------------------------------------------------------------------- */

static int setup(void **state)
{
    (void)state;
    memset(&host, 0, sizeof(host));
    site = host_site();
    host_leases = 0;
    logged[0] = '\0';
    return 0;
}

#define ROUTE_TEST(function) cmocka_unit_test_setup_teardown(function, setup, pool_clear)

static bk_req_t request(const char *method, const char *path)
{
    return host_request(&site, &host, method, path, keys, pool);
}

static void sign_in(bk_req_t *req, bk_role_t role)
{
    req->ctx.user_id = role == BK_ROLE_ANONYMOUS ? NULL : "u1";
    req->ctx.role = role;
    req->ctx.role_known = true;
}

static void body_set(const char *body)
{
    host.body = body;
    host.len = strlen(body);
}

static void serve(bk_req_t *req, int status)
{
    bk_api_serve(&resp, req);
    if (resp.status != status) {
        fail_msg("%s %s: %d %s", req->method, req->path, resp.status, resp.body ? resp.body : "");
    }
    assert_non_null(resp.headers);
    assert_null(req->ctx.db);
}

static void expect(const char *method, const char *path, int status)
{
    bk_req_t req = request(method, path);

    sign_in(&req, BK_ROLE_ADMIN);
    serve(&req, status);
}

static const char *header(const char *name)
{
    return apr_table_get(resp.headers, name);
}

/* A path that fits the route's template. */
static const char *path_of(const bk_route_t *route, const char *value)
{
    const char *t = route->template, *path = "";

    while (*t) {
        size_t len = strcspn(t, "{");
        path = apr_pstrcat(pool, path, apr_pstrmemdup(pool, t, len), NULL);
        t += len;
        if (*t) {
            path = apr_pstrcat(pool, path, value, NULL);
            t += strcspn(t, "}") + 1;
        }
    }
    return path;
}

/* --- finding the route -------------------------------------------------------------- */

static void each_route_is_reached(void **state)
{
    (void)state;
    for (size_t i = 0; i < bk_routes_count; i++) {
        const char *paths[] = {path_of(&bk_routes[i], "7"), NULL};
        paths[1] = apr_pstrcat(pool, paths[0], "/", NULL);
        for (int slash = 0; slash < 2; slash++) {
            bk_req_t req = request(bk_routes[i].method, paths[slash]);
            sign_in(&req, BK_ROLE_ADMIN);
            bk_api_serve(&resp, &req);
            assert_ptr_equal(req.route, &bk_routes[i]);
            assert_string_equal(resp.route, bk_routes[i].template);
            assert_int_not_equal(resp.status, 405);
            assert_int_not_equal(resp.status, 500);
        }
    }
}

/* What the router and the decoder have room for. */
static void rows_fit(void **state)
{
    (void)state;
    for (size_t i = 0; i < bk_routes_count; i++) {
        size_t n = 0;
        for (const char *c = bk_routes[i].template; *c; c++) {
            n += *c == '{';
        }
        assert_true(n <= sizeof(((bk_req_t *)NULL)->params) / sizeof(char *));
        assert_true(bk_routes[i].query->n <= 64);
        assert_int_equal(bk_routes[i].template[0], '/');
    }
}

static void params(void **state)
{
    bk_req_t req = request("DELETE", "/practitioners/12/schedules/x y");

    (void)state;
    sign_in(&req, BK_ROLE_ADMIN);
    bk_api_serve(&resp, &req);
    assert_string_equal(req.params[0], "12");
    assert_string_equal(req.params[1], "x y");
}

static void not_found(void **state)
{
    static const char *const paths[] = {
        "", "/", "//", "/nothing", "/practitioners/1/nothing", "/practitioner", "/practitionersx",
        "/practitioners//", "/practitioners//availability", "/practitioners/1//availability",
        "//practitioners", "/Practitioners", "/practitioners/1/availability/x",
        "/practitioners/1/schedules/2/3", "/health/x", "practitioners", "/{practitionerId}"};

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        expect("GET", paths[i], 404);
        assert_string_equal(resp.code, "NOT_FOUND");
        assert_null(resp.route);
        expect("OPTIONS", paths[i], 404);
    }
}

static void params_broken(void **state)
{
    static const char *const values[] = {"\xff", "a\xc3", "\x01", "a\nb", "\x7f", "\xed\xa0\x80"};

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        expect("GET", apr_pstrcat(pool, "/practitioners/", values[i], NULL), 404);
        expect("GET", apr_pstrcat(pool, "/users/", values[i], "/appointments", NULL), 404);
    }
    assert_int_equal(host_leases, 0);
}

static void ids_broken(void **state)
{
    static const char *const values[] = {"0", "-1", "x", "01", "1x", "client_1",
                                         "9223372036854775808"};

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        expect("GET", apr_pstrcat(pool, "/practitioners/", values[i], NULL), 404);
        expect("GET", apr_pstrcat(pool, "/appointments/", values[i], NULL), 404);
    }
    assert_int_equal(host_leases, 0);
}

static void method_not_allowed(void **state)
{
    (void)state;
    expect("PATCH", "/practitioners", 405);
    assert_string_equal(header("Allow"), "GET, HEAD, POST, OPTIONS");
    assert_string_equal(resp.code, "METHOD_NOT_ALLOWED");
    expect("POST", "/practitioners/1", 405);
    assert_string_equal(header("Allow"), "GET, HEAD, PUT, DELETE, OPTIONS");
    expect("GET", "/appointments/1/cancel", 405);
    assert_string_equal(header("Allow"), "PUT, OPTIONS");
    expect("get", "/practitioners", 405);
    expect("", "/practitioners", 405);
}

static void options(void **state)
{
    (void)state;
    expect("OPTIONS", "/practitioners/1/schedules", 204);
    assert_string_equal(header("Allow"), "GET, HEAD, POST, OPTIONS");
    assert_null(resp.body);
    assert_null(resp.code);
    assert_null(bk_api_allow(&site, "/nothing", pool));
}

static void groups_off(void **state)
{
    (void)state;
    for (size_t i = 0; i < bk_routes_count; i++) {
        const char *path = path_of(&bk_routes[i], "7");
        site.groups = BK_GROUP_ALL & ~(1u << bk_routes[i].group);
        expect(bk_routes[i].method, path, 404);
        expect("OPTIONS", path, 404);
        site.groups = 1u << bk_routes[i].group;
        expect("OPTIONS", path, 204);
    }
}

static void group_names(void **state)
{
    (void)state;
    for (int i = 0; i < BK_GROUP_COUNT; i++) {
        assert_int_equal(bk_group_find(bk_group_name((bk_group_t)i)), i);
    }
    assert_int_equal(bk_group_find("HEALTH"), BK_GROUP_health);
    assert_int_equal(bk_group_find("nothing"), -1);
    assert_int_equal(bk_group_find(""), -1);
}

/* --- roles -------------------------------------------------------------------------- */

/* What the router alone answers a role: 0 when the handler is asked. */
static int refusal(const bk_route_t *route, bk_role_t role)
{
    bk_grant_t grant = route->grants[role];
    bool closed = grant == BK_GRANT_NONE || (grant == BK_GRANT_GUEST && !site.guests) ||
                  (grant == BK_GRANT_PUBLIC && !site.public_availability);

    return !closed ? 0 : role == BK_ROLE_ANONYMOUS ? 401 : 403;
}

static void expect_grants(const bk_route_t *route)
{
    for (int role = BK_ROLE_ANONYMOUS; role <= BK_ROLE_ADMIN; role++) {
        bk_req_t req = request(route->method, path_of(route, "7"));
        int status = refusal(route, (bk_role_t)role);
        host.bodies_read = 0;
        sign_in(&req, (bk_role_t)role);
        if (status) {
            serve(&req, status);
            assert_int_equal(host.bodies_read, 0);
        }
        else {
            bk_api_serve(&resp, &req);
            assert_int_not_equal(resp.status, 403);
            /* The handler asks who has neither an account nor a token. */
            assert_true(resp.status != 401 || route->grants[role] == BK_GRANT_TOKEN);
        }
    }
}

static void grants(void **state)
{
    (void)state;
    for (int on = 0; on < 2; on++) {
        site.guests = site.public_availability = on;
        for (size_t i = 0; i < bk_routes_count; i++) {
            expect_grants(&bk_routes[i]);
        }
    }
}

/* Whoever may change something must be somebody: no row opens a write to everyone. */
static void writes_are_guarded(void **state)
{
    (void)state;
    for (size_t i = 0; i < bk_routes_count; i++) {
        const bk_route_t *route = &bk_routes[i];
        bool reads = strcmp(route->method, "GET") == 0;
        assert_int_equal(reads, !(route->flags & BK_ROUTE_WRITE));
        if (!reads) {
            assert_int_not_equal(route->grants[BK_ROLE_ANONYMOUS], BK_GRANT_ANY);
            assert_int_not_equal(route->grants[BK_ROLE_CLIENT], BK_GRANT_ANY);
        }
    }
}

/* A role that is not named is looked up, but only where it matters. */
static void role_unnamed(void **state)
{
    bk_req_t req = request("POST", "/practitioners/1/schedules");

    (void)state;
    req.ctx.user_id = "u1";
    req.ctx.role = BK_ROLE_CLIENT;
    serve(&req, 503);
    assert_int_equal(host_leases, 1);
    req = request("GET", "/openapi.json");
    req.ctx.user_id = "u1";
    req.ctx.role = BK_ROLE_CLIENT;
    serve(&req, 200);
    assert_int_equal(host_leases, 1);
}

/* --- media types -------------------------------------------------------------------- */

static void accept_is(const char *value, int status)
{
    bk_req_t req = request("GET", "/openapi.json");

    host.n = 0;
    host_set(&host, "Accept", value);
    bk_api_serve(&resp, &req);
    if (resp.status != status) {
        fail_msg("Accept: %s: %d", value, resp.status);
    }
}

static void accepted(void **state)
{
    static const char *const good[] = {"", "*/*", "application/json", "Application/JSON",
                                       "application/*", "text/html, */*;q=0.1",
                                       "text/html,application/json;q=0.9", " application/json ",
                                       "application/json; charset=utf-8", "text/html;q=0,*/*"};
    static const char *const bad[] = {"application/json;q=0, */*",
                                      "text/html", "text/*", "application/jsonx",
                                      "application/json;q=0", "application/json; Q=0.0",
                                      "text/html, application/xml;q=0.9",
                                      "application/problem+json"};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        accept_is(good[i], 200);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        accept_is(bad[i], 406);
        assert_string_equal(resp.code, "NOT_ACCEPTABLE");
    }
}

static void content_is(const char *name, const char *value, bool good)
{
    bk_req_t req = request("POST", "/practitioners");

    setup(NULL);
    body_set("{}");
    host_set(&host, name, value);
    sign_in(&req, BK_ROLE_ADMIN);
    serve(&req, good ? 400 : 415);
    assert_int_equal(host.bodies_read, good);
}

static void content_type(void **state)
{
    (void)state;
    content_is("X-Other", "1", true);
    content_is("Content-Type", "application/json", true);
    content_is("Content-Type", "Application/Json; charset=utf-8", true);
    content_is("Content-Type", "application/json ;charset=utf-8", true);
    content_is("Content-Encoding", "identity", true);
    content_is("Content-Type", "", false);
    content_is("Content-Type", "text/plain", false);
    content_is("Content-Type", "application/jsonx", false);
    content_is("Content-Type", "application/x-www-form-urlencoded", false);
    content_is("Content-Encoding", "gzip", false);
}

/* Another site's page can send a body without a type, and the visitor's cookies with it. */
static void content_untyped(void **state)
{
    bk_req_t req = request("POST", "/practitioners");

    (void)state;
    body_set("{}");
    host.untyped = true;
    sign_in(&req, BK_ROLE_ADMIN);
    serve(&req, 415);
}

/* --- input -------------------------------------------------------------------------- */

static void body_too_large(void **state)
{
    bk_req_t req = request("POST", "/practitioners");

    (void)state;
    site.body_limit = 10;
    sign_in(&req, BK_ROLE_ADMIN);
    body_set("{        }");
    serve(&req, 400);
    body_set("{         }");
    req = request("POST", "/practitioners");
    sign_in(&req, BK_ROLE_ADMIN);
    serve(&req, 413);
    assert_string_equal(resp.code, "PAYLOAD_TOO_LARGE");
}

static void body_malformed(void **state)
{
    (void)state;
    body_set("{\"name\": ");
    expect("POST", "/practitioners", 400);
    assert_string_equal(resp.code, "MALFORMED_JSON");
    body_set("[]");
    expect("POST", "/practitioners", 400);
    assert_string_equal(resp.code, "VALIDATION_FAILED");
}

static void query_wrong(void **state)
{
    bk_req_t req = request("GET", "/practitioners/1/availability");

    (void)state;
    req.query = "date=2026-13-01&from=2026-06-21";
    serve(&req, 400);
    assert_non_null(strstr(resp.body, "\"field\": \"date\""));
    assert_non_null(strstr(resp.body, "\"field\": \"to\""));
    assert_int_equal(host_leases, 0);
}

static void idempotency_keys(void **state)
{
    static const char *const bad[] = {"", "a b", "\xc3\xb6", "a\tb"};
    const char *much = memset(apr_pcalloc(pool, 257), 'k', 256);

    (void)state;
    body_set("{\"name\": \"Ada\"}");
    for (size_t i = 0; i < 1 + sizeof(bad) / sizeof(bad[0]); i++) {
        host.n = 0;
        host_set(&host, "Idempotency-Key", i ? bad[i - 1] : much);
        expect("POST", "/practitioners", 400);
        assert_non_null(strstr(resp.body, "\"field\": \"Idempotency-Key\""));
    }
    host.n = 0;
    host_set(&host, "Idempotency-Key", much + 1);
    expect("POST", "/practitioners", 503);
    /* Reading repeats itself: the header means nothing there. */
    host.n = 0;
    host_set(&host, "Idempotency-Key", "a b");
    expect("GET", "/openapi.json", 200);
}

/* A manage token that is none: nobody is told whether the visit exists. */
static void manage_tokens(void **state)
{
    bk_req_t req = request("GET", "/appointments/1");

    (void)state;
    req.query = "token=mt_nonsense";
    serve(&req, 401);
    assert_string_equal(req.ctx.manage_token, "mt_nonsense");
    host_set(&host, "X-Manage-Token", "mt_other");
    req = request("GET", "/appointments/1");
    req.query = "token=mt_nonsense";
    serve(&req, 401);
    assert_string_equal(req.ctx.manage_token, "mt_other");
}

/* --- no database -------------------------------------------------------------------- */

static const struct {
    const char *method, *path, *query, *body;
} whole[] = {
    {"GET", "/health", NULL, NULL},
    {"GET", "/practitioners", "limit=5", NULL},
    {"POST", "/practitioners", NULL, "{\"name\": \"Ada\"}"},
    {"GET", "/practitioners/practitioner_1", NULL, NULL},
    {"PUT", "/practitioners/1", NULL, "{\"price\": 5}"},
    {"DELETE", "/practitioners/1", NULL, NULL},
    {"GET", "/practitioners/1/availability", "date=2026-06-21", NULL},
    {"GET", "/availability/search", "from=2026-06-21&to=2026-06-22", NULL},
    {"GET", "/practitioners/1/schedules", NULL, NULL},
    {"POST", "/practitioners/1/schedules", NULL,
     "{\"dayOfWeek\": 1, \"startTime\": \"09:00\", \"endTime\": \"17:00\"}"},
    {"DELETE", "/practitioners/1/overrides/1", NULL, NULL},
    {"POST", "/practitioners/1/overrides", NULL, "{\"date\": \"2026-06-21\", \"closed\": true}"},
    {"POST", "/appointments", NULL,
     "{\"userId\": \"u2\", \"practitionerId\": 1, \"date\": \"2026-06-21\", \"time\": \"09:00\"}"},
    {"GET", "/appointments/meeting_1", NULL, NULL},
    {"PUT", "/appointments/1/cancel", NULL, ""},
    {"PUT", "/appointments/booking_000102030405060708090a0b0c0d0e0f/reschedule", NULL,
     "{\"startsAt\": \"2026-06-21T09:00:00Z\"}"},
    {"GET", "/users/u1/appointments", "status=confirmed", NULL},
};

static void database_away(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
        bk_req_t req = request(whole[i].method, whole[i].path);
        body_set(whole[i].body ? whole[i].body : "");
        sign_in(&req, BK_ROLE_ADMIN);
        req.query = whole[i].query;
        host_leases = 0;
        serve(&req, 503);
        assert_int_equal(host_leases, 1);
        assert_string_equal(header("Retry-After"), "1");
        assert_string_equal(header("Cache-Control"), "no-store");
        assert_null(header("ETag"));
        assert_string_equal(resp.route, req.route->template);
    }
}

/* Probes get their answer in the shape they know; nothing is logged for each. */
static void health_away(void **state)
{
    json_t *root;

    (void)state;
    expect("GET", "/health", 503);
    root = json_loads(resp.body, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(root, "status")), "degraded");
    assert_string_equal(json_string_value(json_object_get(root, "database")), "down");
    assert_null(resp.code);
    json_decref(root);
}

static void failures_are_logged(void **state)
{
    (void)state;
    expect("GET", "/practitioners/1", 503);
    assert_int_equal(logged_level, BK_LOG_WARNING);
    assert_string_equal(logged, "GET /practitioners/{practitionerId}: UNAVAILABLE: database: no "
                                "connection (request r1)");
    assert_null(strstr(resp.body, "database: no connection"));
    /* The path is the client's and may hold anything: only the template is named. */
    expect("GET", "/secret/ada@example.org", 404);
    assert_int_equal(logged_level, BK_LOG_DEBUG);
    assert_string_equal(logged, "GET (no route): NOT_FOUND (request r1)");
}

/* --- fine --------------------------------------------------------------------------- */

static void answers_with_tag(void **state)
{
    (void)state;
    expect("GET", "/openapi.json", 200);
    assert_true(resp.conditional);
    assert_string_equal(header("ETag"), bk_etag_make(resp.body, resp.len, pool));
    assert_string_equal(header("Cache-Control"), "no-cache");
    assert_null(resp.code);
    assert_int_equal(logged[0], '\0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROUTE_TEST(each_route_is_reached), ROUTE_TEST(rows_fit),   ROUTE_TEST(params),
        ROUTE_TEST(not_found),
        ROUTE_TEST(params_broken),  ROUTE_TEST(ids_broken),        ROUTE_TEST(method_not_allowed),
        ROUTE_TEST(options),        ROUTE_TEST(groups_off),        ROUTE_TEST(group_names),
        ROUTE_TEST(grants),         ROUTE_TEST(writes_are_guarded), ROUTE_TEST(role_unnamed),
        ROUTE_TEST(accepted),       ROUTE_TEST(content_type),      ROUTE_TEST(content_untyped),
        ROUTE_TEST(body_too_large),
        ROUTE_TEST(body_malformed), ROUTE_TEST(query_wrong),       ROUTE_TEST(idempotency_keys),
        ROUTE_TEST(manage_tokens),  ROUTE_TEST(database_away),     ROUTE_TEST(health_away),
        ROUTE_TEST(failures_are_logged), ROUTE_TEST(answers_with_tag),
    };
    apr_pool_t *process;
    int failed;

    unit_start();
    apr_pool_create(&process, NULL);
    bk_zone_init(NULL, process);
    bk_calendars_init(process);
    bk_log_use(log_keep);
    keys = host_keys("k1", HOST_KEY, process);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_pool_destroy(process);
    return unit_end(failed);
}
