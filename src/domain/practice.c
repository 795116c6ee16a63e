#include "booking/domain.h"

#include <string.h>

/* One change: what to do, on what, and how the audit calls it. apply() may run again from the
 * start (a deadlock, a lost statement), so it leaves *row* as it is; *saved is the id it made. */
typedef struct change_t {
    bk_ctx_t *ctx;
    bk_err_t *(*apply)(bool *found, bk_db_t *db, struct change_t *c, apr_pool_t *p);
    const void *row; /* NULL: delete *id* */
    apr_int64_t practitioner_id, id, saved;
    const char *action;
} change_t;

static bk_err_t *change_work(bk_db_t *db, void *baton, apr_pool_t *p)
{
    change_t *c = baton;
    bk_actor_t actor = bk_ctx_actor(c->ctx);
    bool found = false;

    BK_TRY(c->apply(&found, db, c, p));
    if (!found) {
        return bk_err_make(BK_E_NOT_FOUND, p, NULL);
    }
    return bk_store_audit(db, &actor, c->action, c->practitioner_id, p);
}

/* Constraints that a well-formed request can violate, and what to tell about it. */
static bk_err_t *conflict_explain(bk_err_t *e, apr_pool_t *p)
{
    if (bk_err_is(e, "23P01")) {
        return bk_err_field(BK_E_CONFLICT, "closed", "a date is closed or has hours, not both", p);
    }
    if (bk_err_is(e, "23505")) {
        bool user = e->constraint && !strcmp(e->constraint, "practitioners_user_id_key");
        return bk_err_field(BK_E_CONFLICT, user ? "userId" : "date",
                            user ? "belongs to another practitioner" : "is already closed", p);
    }
    if (bk_err_is(e, "23503")) {
        return bk_err_make(BK_E_NOT_FOUND, p, NULL); /* the practitioner does not exist */
    }
    return e;
}

static bk_err_t *change_run(change_t *c)
{
    bk_db_t *db;

    BK_TRY(bk_ctx_db(&db, c->ctx));
    return conflict_explain(bk_db_transact(db, change_work, c, c->ctx->p), c->ctx->p);
}

bk_err_t *bk_practice_open(bk_ctx_t *ctx, apr_int64_t practitioner_id)
{
    bk_practitioner_t *row;
    bk_db_t *db;

    BK_TRY(bk_identity_require_practice(ctx, practitioner_id));
    BK_TRY(bk_ctx_db(&db, ctx));
    BK_TRY(bk_store_practitioner_find(&row, db, practitioner_id, ctx->p));
    return row ? NULL : bk_err_make(BK_E_NOT_FOUND, ctx->p, NULL);
}

/* --- practitioners ------------------------------------------------------------------------ */

static bk_err_t *practitioner_apply(bool *found, bk_db_t *db, change_t *c, apr_pool_t *p)
{
    const bk_practitioner_t *row = c->row;

    if (row->id.set) {
        return bk_store_practitioner_update(found, db, row, p);
    }
    *found = true;
    BK_TRY(bk_store_practitioner_insert(&c->practitioner_id, db, row, p));
    return NULL;
}

/* Who somebody is and whether they practise is for administrators to say. */
static bk_err_t *require_admin_for(bk_ctx_t *ctx, const bk_practitioner_t *row)
{
    if (ctx->role == BK_ROLE_ADMIN || (!row->user_id && !row->active.set)) {
        return NULL;
    }
    return bk_err_field(BK_E_FORBIDDEN, row->user_id ? "userId" : "active",
                        "only an administrator may change this", ctx->p);
}

bk_err_t *bk_practitioner_save(bk_practitioner_t **saved, bk_ctx_t *ctx, bk_practitioner_t *row)
{
    change_t c = {.ctx = ctx, .apply = practitioner_apply, .row = row,
                  .practitioner_id = row->id.v,
                  .action = row->id.set ? "practitioner.update" : "practitioner.create"};
    bk_db_t *db;

    if (row->id.set) {
        BK_TRY(bk_identity_require_practice(ctx, row->id.v));
    }
    BK_TRY(require_admin_for(ctx, row));
    if (row->time_zone && !bk_zone_find(row->time_zone)) {
        return bk_err_add(NULL, ctx->p, "timeZone", "must be an IANA time zone");
    }
    BK_TRY(change_run(&c));
    BK_TRY(bk_ctx_db(&db, ctx));
    return bk_store_practitioner_find(saved, db, c.practitioner_id, ctx->p);
}

bk_err_t *bk_practitioner_deactivate(bk_ctx_t *ctx, apr_int64_t id)
{
    bk_practitioner_t row = {.id = BK_NUM(id), .active = BK_NUM(false)};
    change_t c = {.ctx = ctx, .apply = practitioner_apply, .row = &row, .practitioner_id = id,
                  .action = "practitioner.deactivate"};

    BK_TRY(bk_identity_require_practice(ctx, id));
    return change_run(&c);
}

/* --- hours and overrides -------------------------------------------------------------------- */

static bk_err_t *hours_apply(bool *found, bk_db_t *db, change_t *c, apr_pool_t *p)
{
    if (!c->row) {
        return bk_store_hours_delete(found, db, c->practitioner_id, c->id, p);
    }
    BK_TRY(bk_store_hours_save(&c->saved, db, c->row, p));
    *found = c->saved != 0;
    return NULL;
}

static bk_err_t *override_apply(bool *found, bk_db_t *db, change_t *c, apr_pool_t *p)
{
    if (!c->row) {
        return bk_store_override_delete(found, db, c->practitioner_id, c->id, p);
    }
    BK_TRY(bk_store_override_save(&c->saved, db, c->row, p));
    *found = c->saved != 0;
    return NULL;
}

static bk_err_t *practice_change(bk_ctx_t *ctx, change_t *c)
{
    c->ctx = ctx;
    BK_TRY(bk_identity_require_practice(ctx, c->practitioner_id));
    return change_run(c);
}

bk_err_t *bk_hours_save(bk_ctx_t *ctx, bk_hours_t *row)
{
    change_t c = {.apply = hours_apply, .row = row, .practitioner_id = row->practitioner_id.v,
                  .action = row->id.set ? "schedule.replace" : "schedule.create"};

    BK_TRY(practice_change(ctx, &c));
    row->id = BK_NUM(c.saved);
    return NULL;
}

bk_err_t *bk_hours_delete(bk_ctx_t *ctx, apr_int64_t practitioner_id, apr_int64_t id)
{
    change_t c = {.apply = hours_apply, .practitioner_id = practitioner_id, .id = id,
                  .action = "schedule.delete"};

    return practice_change(ctx, &c);
}

bk_err_t *bk_override_save(bk_ctx_t *ctx, bk_date_override_t *row)
{
    change_t c = {.apply = override_apply, .row = row, .practitioner_id = row->practitioner_id.v,
                  .action = row->id.set ? "override.replace" : "override.create"};

    BK_TRY(practice_change(ctx, &c));
    row->id = BK_NUM(c.saved);
    return NULL;
}

bk_err_t *bk_override_delete(bk_ctx_t *ctx, apr_int64_t practitioner_id, apr_int64_t id)
{
    change_t c = {.apply = override_apply, .practitioner_id = practitioner_id, .id = id,
                  .action = "override.delete"};

    return practice_change(ctx, &c);
}
