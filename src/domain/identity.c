#include "booking/domain.h"

#include <string.h>

static const char *const role_names[] = {"anonymous", "client", "therapist", "admin"};

bk_err_t *bk_ctx_db(bk_db_t **db, bk_ctx_t *ctx)
{
    if (!ctx->db) {
        BK_TRY(bk_db_open(&ctx->db, ctx->source, ctx->p));
    }
    *db = ctx->db;
    return NULL;
}

void bk_ctx_release(bk_ctx_t *ctx)
{
    if (ctx->db) {
        bk_db_close(ctx->db);
        ctx->db = NULL;
    }
}

const char *bk_role_name(bk_role_t role)
{
    return role_names[role];
}

bool bk_role_parse(const char *name, bk_role_t *out)
{
    for (int i = BK_ROLE_CLIENT; i <= BK_ROLE_ADMIN; i++) {
        if (strcmp(name, role_names[i]) == 0) {
            *out = (bk_role_t)i;
            return true;
        }
    }
    return false;
}

bk_err_t *bk_identity_practice(apr_int64_t *id, bk_ctx_t *ctx)
{
    bk_db_t *db;

    if (!ctx->practice_known && ctx->user_id) {
        BK_TRY(bk_ctx_db(&db, ctx));
        BK_TRY(bk_store_practitioner_by_user(&ctx->practice_id, db, ctx->user_id, ctx->p));
    }
    ctx->practice_known = true;
    *id = ctx->practice_id;
    return NULL;
}

bk_err_t *bk_identity_settle(bk_ctx_t *ctx)
{
    apr_int64_t practice;

    if (ctx->role_known) {
        return NULL;
    }
    BK_TRY(bk_identity_practice(&practice, ctx));
    ctx->role = practice ? BK_ROLE_THERAPIST : BK_ROLE_CLIENT;
    ctx->role_known = true;
    return NULL;
}

bk_err_t *bk_identity_require_practice(bk_ctx_t *ctx, apr_int64_t practitioner_id)
{
    apr_int64_t practice = 0;

    BK_TRY(bk_identity_settle(ctx));
    if (ctx->role == BK_ROLE_ADMIN) {
        return NULL;
    }
    if (ctx->role == BK_ROLE_THERAPIST) {
        BK_TRY(bk_identity_practice(&practice, ctx));
    }
    if (practice && practice == practitioner_id) {
        return NULL;
    }
    return bk_err_make(BK_E_NOT_FOUND, ctx->p, NULL);
}

bk_actor_t bk_ctx_actor(const bk_ctx_t *ctx)
{
    const char *role = !ctx->user_id && ctx->manage_token ? "token" : bk_role_name(ctx->role);

    return (bk_actor_t){ctx->user_id, role, ctx->request_id};
}
