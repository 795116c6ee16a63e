/* Who asks. Apache's modules authenticate; here their word is taken, from r->user and the
 * configured environment variables only, and looked at once more. */
#include "glue.h"

#include <stdlib.h>

#include <apr_lib.h>
#include <apr_strings.h>
#include <mod_auth.h>

APLOG_USE_MODULE(booking);

#define CLAIM_PREFIX "OAUTH2_CLAIM_"
#define MANAGE_TTL_DAYS 30
#define CLOCK_SKEW_S 10

static const char *prefix_of(const bk_dir_t *d)
{
    return d->identity_prefix ? d->identity_prefix : CLAIM_PREFIX;
}

static const char *claim(request_rec *r, const bk_dir_t *d, const char *name)
{
    return apr_table_get(r->subprocess_env, apr_pstrcat(r->pool, prefix_of(d), name, NULL));
}

static const char *role_claim(request_rec *r, const bk_dir_t *d)
{
    return d->role_env ? apr_table_get(r->subprocess_env, d->role_env) : claim(r, d, "role");
}

/* --- scrubbing -------------------------------------------------------------------------------- */

/* Before authentication no claim can be true: whoever set one (SetEnvIf in an .htaccess, say)
 * is not to be believed. That goes for internal redirects too, where httpd may skip the access
 * checks but runs SetEnvIf again: so it is done last in the phase in which SetEnvIf runs. */
static int scrub(request_rec *r)
{
    const bk_dir_t *d = bk_dir_of(r);
    const apr_array_header_t *env;
    size_t n;

    if (d->engine != 1) {
        return DECLINED;
    }
    env = apr_table_elts(r->subprocess_env);
    n = strlen(prefix_of(d));
    for (int i = env->nelts - 1; i >= 0; i--) {
        const char *key = APR_ARRAY_IDX(env, i, apr_table_entry_t).key;
        if (strncasecmp(key, prefix_of(d), n) == 0 ||
            (d->role_env && strcasecmp(key, d->role_env) == 0)) {
            apr_table_unset(r->subprocess_env, key);
            i = env->nelts < i ? env->nelts : i; /* unset takes out every one of that name */
        }
    }
    return DECLINED;
}

/* --- looking again ---------------------------------------------------------------------------- */

/* A NumericDate (RFC 7519 2) in seconds; false when it is none. */
static bool numeric_date(const char *text, double *out)
{
    char *end;

    *out = strtod(text, &end);
    return end != text && *end == '\0';
}

/* Whether an aud claim, a string or a JSON array of strings, names *audience*. */
static bool names_audience(const char *aud, const char *audience, apr_pool_t *p)
{
    if (aud[0] == '[') {
        const apr_array_header_t *list = bk_json_strings(aud, p);
        for (int i = 0; i < list->nelts; i++) {
            if (strcmp(APR_ARRAY_IDX(list, i, const char *), audience) == 0) {
                return true;
            }
        }
        return false;
    }
    return strcmp(aud, audience) == 0;
}

/* What packaged token modules leave unchecked: RFC 7519 4.1.1, .3, .4, .5. Real time, not the
 * product's clock: tokens are made by somebody else's. */
static bool claims_good(request_rec *r, const bk_dir_t *d)
{
    const char *exp = claim(r, d, "exp"), *nbf = claim(r, d, "nbf");
    const char *iss = claim(r, d, "iss"), *aud = claim(r, d, "aud");
    double now = (double)apr_time_sec(apr_time_now()), at;

    if (exp && (!numeric_date(exp, &at) || now >= at + CLOCK_SKEW_S)) {
        return false;
    }
    if (nbf && (!numeric_date(nbf, &at) || now < at - CLOCK_SKEW_S)) {
        return false;
    }
    if (d->issuer && (!iss || strcmp(iss, d->issuer) != 0)) {
        return false;
    }
    return !d->audience || (aud && names_audience(aud, d->audience, r->pool));
}

/* --- capturing -------------------------------------------------------------------------------- */

/* First of the fixups: after authentication, before SetEnv and RewriteRule [E=]. */
static int capture(request_rec *r)
{
    bk_request_t *req = bk_request_of(r);
    const bk_dir_t *d = bk_dir_of(r);

    if (!req || req->captured) {
        return DECLINED;
    }
    req->captured = true;
    if (r->user) {
        req->refused = !*r->user || !claims_good(r, d) ||
                       !bk_utf8_valid(r->user, strlen(r->user));
        req->user = r->user;
        req->role = role_claim(r, d);
    }
    return DECLINED;
}

void bk_context_make(bk_ctx_t *ctx, request_rec *r)
{
    bk_server_t *c = bk_server_of(r->server);
    const bk_dir_t *d = bk_dir_of(r);
    int days = d->manage_ttl_days == BK_UNSET ? MANAGE_TTL_DAYS : d->manage_ttl_days;

    memset(ctx, 0, sizeof(*ctx));
    ctx->p = r->pool;
    ctx->keys = c->keys;
    ctx->source = &c->source;
    ctx->now = bk_clock_now();
    ctx->request_id = bk_request_id(r);
    ctx->manage_ttl_s = days * BK_DAY_S;
    ctx->role_known = true;
}

/* A role claim is a word, or a JSON array of words: then the one that may most. */
static bk_role_t role_of(const char *claimed, apr_pool_t *p)
{
    const apr_array_header_t *words = claimed[0] == '[' ? bk_json_strings(claimed, p) : NULL;
    bk_role_t best = BK_ROLE_CLIENT, role;

    for (int i = 0; words && i < words->nelts; i++) {
        if (bk_role_parse(APR_ARRAY_IDX(words, i, const char *), &role) && role > best) {
            best = role;
        }
    }
    if (!words && bk_role_parse(claimed, &role)) {
        best = role;
    }
    return best;
}

static void role_fill(bk_ctx_t *ctx, const char *user, const char *role)
{
    ctx->user_id = user;
    if (user) {
        ctx->role = BK_ROLE_CLIENT;
        /* A role we do not know gives no rights; none at all is looked up. */
        ctx->role_known = role && *role;
        if (ctx->role_known) {
            ctx->role = role_of(role, ctx->p);
        }
    }
}

void bk_identity_fill(bk_ctx_t *ctx, const bk_request_t *req)
{
    role_fill(ctx, req->user, req->role);
}

/* --- Require booking-role --------------------------------------------------------------------- */

static authz_status role_check(request_rec *r, const char *line, const void *parsed)
{
    const bk_dir_t *d = bk_dir_of(r);
    const char *word;
    bk_ctx_t ctx;
    bk_err_t *e;

    (void)parsed;
    if (!r->user) {
        return AUTHZ_DENIED_NO_USER; /* authenticate, then ask again */
    }
    if (!claims_good(r, d)) {
        return AUTHZ_DENIED;
    }
    bk_context_make(&ctx, r);
    role_fill(&ctx, r->user, role_claim(r, d));
    e = bk_identity_settle(&ctx);
    bk_ctx_release(&ctx);
    if (e) {
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r, "Require booking-role: %s",
                      e->detail ? e->detail : bk_err_name(e->code));
        apr_table_setn(r->notes, BK_NOTE_AWAY, "1"); /* httpd knows only 500 here */
        return AUTHZ_GENERAL_ERROR;
    }
    while ((word = ap_getword_conf(r->pool, &line)) && *word) {
        if (strcmp(word, bk_role_name(ctx.role)) == 0) {
            return AUTHZ_GRANTED;
        }
    }
    return AUTHZ_DENIED;
}

static const char *role_parse(cmd_parms *cmd, const char *line, const void **parsed)
{
    const char *word;
    bk_role_t role;
    int n = 0;

    (void)parsed;
    while ((word = ap_getword_conf(cmd->pool, &line)) && *word) {
        n++;
        if (!bk_role_parse(word, &role)) {
            return apr_psprintf(cmd->pool, "Require booking-role: there is no role \"%s\"; write "
                                "client, therapist or admin", word);
        }
    }
    return n ? NULL : "Require booking-role needs a role: client, therapist or admin";
}

static const authz_provider role_provider = {role_check, role_parse};

void bk_identity_hooks(apr_pool_t *p)
{
    ap_register_auth_provider(p, AUTHZ_PROVIDER_GROUP, "booking-role", AUTHZ_PROVIDER_VERSION,
                              &role_provider, AP_AUTH_INTERNAL_PER_CONF);
    ap_hook_header_parser(scrub, NULL, NULL, APR_HOOK_REALLY_LAST);
    ap_hook_fixups(capture, NULL, NULL, APR_HOOK_REALLY_FIRST);
}
