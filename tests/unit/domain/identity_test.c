/* Who somebody is, as far as no database is asked; host.h's is never there. */
#include "../unit.h"

#include "../host.h"

static bk_ctx_t ctx_of(const char *user_id, bk_role_t role, bool known)
{
    return (bk_ctx_t){.p = pool, .source = &host_source, .now = HOST_NOW, .request_id = "r1",
                      .user_id = user_id, .role = role, .role_known = known};
}

static void roles(void **state)
{
    static const char *const no_roles[] = {"", "anonymous", "Admin", "admin ", "root"};
    bk_role_t role;

    (void)state;
    for (int i = BK_ROLE_CLIENT; i <= BK_ROLE_ADMIN; i++) {
        assert_true(bk_role_parse(bk_role_name((bk_role_t)i), &role));
        assert_int_equal(role, i);
    }
    for (size_t i = 0; i < sizeof(no_roles) / sizeof(no_roles[0]); i++) {
        role = BK_ROLE_THERAPIST;
        assert_false(bk_role_parse(no_roles[i], &role));
        assert_int_equal(role, BK_ROLE_THERAPIST);
    }
    assert_string_equal(bk_role_name(BK_ROLE_ANONYMOUS), "anonymous");
}

static void role_known(void **state)
{
    bk_ctx_t ctx = ctx_of("u1", BK_ROLE_ADMIN, true);

    (void)state;
    host_leases = 0;
    assert_null(bk_identity_settle(&ctx));
    assert_null(bk_identity_require_practice(&ctx, 7));
    ctx = ctx_of("u1", BK_ROLE_CLIENT, true);
    assert_int_equal(bk_identity_require_practice(&ctx, 7)->code, BK_E_NOT_FOUND);
    assert_int_equal(host_leases, 0);
}

/* While the database is away nobody is taken for a client: the look-up's error goes up. */
static void role_unknown(void **state)
{
    bk_ctx_t ctx = ctx_of("u1", BK_ROLE_ANONYMOUS, false);

    (void)state;
    assert_int_equal(bk_identity_settle(&ctx)->code, BK_E_UNAVAILABLE);
    assert_false(ctx.role_known);
    assert_false(ctx.practice_known);
    assert_int_equal(bk_identity_require_practice(&ctx, 7)->code, BK_E_UNAVAILABLE);
}

static void practice(void **state)
{
    bk_ctx_t ctx = ctx_of("u1", BK_ROLE_THERAPIST, true);
    apr_int64_t id = -1;

    (void)state;
    ctx.practice_known = true;
    ctx.practice_id = 7;
    assert_null(bk_identity_practice(&id, &ctx));
    assert_int_equal(id, 7);
    assert_null(bk_identity_require_practice(&ctx, 7));
    assert_int_equal(bk_identity_require_practice(&ctx, 8)->code, BK_E_NOT_FOUND);
    ctx.practice_id = 0;
    assert_int_equal(bk_identity_require_practice(&ctx, 0)->code, BK_E_NOT_FOUND);
}

/* Nobody has no practice, which takes no look-up. */
static void nobody(void **state)
{
    bk_ctx_t ctx = ctx_of(NULL, BK_ROLE_ANONYMOUS, true);
    apr_int64_t id = -1;

    (void)state;
    host_leases = 0;
    assert_null(bk_identity_practice(&id, &ctx));
    assert_int_equal(id, 0);
    assert_int_equal(bk_identity_require_practice(&ctx, 7)->code, BK_E_NOT_FOUND);
    assert_int_equal(host_leases, 0);
}

static void actors(void **state)
{
    bk_ctx_t ctx = ctx_of(NULL, BK_ROLE_ANONYMOUS, true);
    bk_actor_t actor = bk_ctx_actor(&ctx);

    (void)state;
    assert_null(actor.user_id);
    assert_string_equal(actor.role, "anonymous");
    assert_string_equal(actor.request_id, "r1");
    ctx.manage_token = "mt_x";
    assert_string_equal(bk_ctx_actor(&ctx).role, "token");
    ctx.user_id = "u1";
    ctx.role = BK_ROLE_CLIENT;
    actor = bk_ctx_actor(&ctx);
    assert_string_equal(actor.user_id, "u1");
    assert_string_equal(actor.role, "client");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(roles),  UNIT(role_known), UNIT(role_unknown), UNIT(practice),
        UNIT(nobody), UNIT(actors),
    };

    unit_start();
    return unit_end(cmocka_run_group_tests(tests, NULL, NULL));
}
