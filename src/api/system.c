/* What the service says of itself: health and description. */
#include "route.h"

#include <string.h>

typedef struct {
    const char *status, *database, *tzdata;
    bk_num_t migration, expected, time;
} health_t;

static const bk_field_t health_fields[] = {
    {.name = "status", .kind = BK_F_STRING, .offset = offsetof(health_t, status),
     .doc = "ok, or degraded with status 503"},
    {.name = "database", .kind = BK_F_STRING, .offset = offsetof(health_t, database),
     .doc = "up or down"},
    {.name = "migration", .kind = BK_F_INT, .offset = offsetof(health_t, migration),
     .doc = "schema level of the database"},
    {.name = "expectedMigration", .kind = BK_F_INT, .offset = offsetof(health_t, expected),
     .doc = "schema level this version was built for"},
    {.name = "tzdata", .kind = BK_F_STRING, .offset = offsetof(health_t, tzdata),
     .doc = "release of the time zone data"},
    {.name = "time", .kind = BK_F_INSTANT, .offset = offsetof(health_t, time)},
};
BK_SHAPE(health, "Health", health_t);

static bk_err_t *migration_read(int *level, bk_req_t *req)
{
    bk_db_t *db;

    BK_TRY(bk_ctx_db(&db, &req->ctx));
    return bk_store_migration_level(level, db, req->ctx.p);
}

bk_handler_t bk_handle_health, bk_handle_openapi;

bk_err_t *bk_handle_health(bk_resp_t *resp, bk_req_t *req)
{
    int level = 0;
    bk_err_t *e = migration_read(&level, req);
    bool good = !e && level >= req->site->migration_level;
    health_t out = {good ? "ok" : "degraded",
                    e && e->code == BK_E_UNAVAILABLE && !e->sqlstate ? "down" : "up",
                    bk_zone_version(), BK_NUM(level), BK_NUM(req->site->migration_level),
                    BK_NUM(req->ctx.now)};

    bk_answer(resp, req, &out);
    if (!good) {
        /* Probes look at the status, people at the body. */
        resp->status = 503;
        apr_table_setn(resp->headers, "Retry-After", "1");
    }
    return NULL;
}

bk_err_t *bk_handle_openapi(bk_resp_t *resp, bk_req_t *req)
{
    resp->status = req->route->status;
    resp->body = bk_openapi_text(req->site, req->base, req->ctx.p);
    resp->len = strlen(resp->body);
    return NULL;
}
