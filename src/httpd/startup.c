/* Start-up: what must be right before the first request, and each child's beginnings. */
#include "glue.h"

#include <stdlib.h>

#include <apr_strings.h>
#include <http_main.h>

APLOG_USE_MODULE(booking);

/* Lines of the library. Levels are those of errors.def. */
static void log_line(bk_log_level_t level, const char *line)
{
    static const int levels[] = {APLOG_ERR, APLOG_WARNING, APLOG_INFO, APLOG_DEBUG};

    ap_log_error(APLOG_MARK, levels[level] | APLOG_NOERRNO, 0, ap_server_conf, "%s", line);
}

/* The first directive of that name in the tree, or NULL. */
static const ap_directive_t *tree_find(const ap_directive_t *node, const char *name)
{
    for (; node; node = node->next) {
        const ap_directive_t *found = strcasecmp(node->directive, name) == 0 ? node
            : node->first_child ? tree_find(node->first_child, name) : NULL;
        if (found) {
            return found;
        }
    }
    return NULL;
}

/* Whether every DBDriver says pgsql: our statements speak to libpq beneath it. */
static bool drivers_good(const ap_directive_t *node)
{
    for (; node; node = node->next) {
        if ((strcasecmp(node->directive, "DBDriver") == 0 &&
             strcasecmp(node->args, "pgsql") != 0) ||
            (node->first_child && !drivers_good(node->first_child))) {
            return false;
        }
    }
    return true;
}

/* What a section says of mod_dbd's own settings, as one text. */
static const char *dbd_settings(const ap_directive_t *node, apr_pool_t *p)
{
    const char *text = "";

    for (; node; node = node->next) {
        if (node->first_child) {
            text = apr_pstrcat(p, text, dbd_settings(node->first_child, p), NULL);
        }
        else if (strncasecmp(node->directive, "DBD", 3) == 0) {
            text = apr_pstrcat(p, text, node->directive, " ", node->args, "\n", NULL);
        }
    }
    return text;
}

static const ap_directive_t *host_find(const ap_directive_t *node, const server_rec *s)
{
    for (; node; node = node->next) {
        const ap_directive_t *found = NULL;
        if (strcasecmp(node->directive, "<VirtualHost") == 0 && s->defn_name &&
            node->line_num == (int)s->defn_line_number &&
            strcmp(node->filename, s->defn_name) == 0) {
            return node;
        }
        if (node->first_child) {
            found = host_find(node->first_child, s);
        }
        if (found) {
            return found;
        }
    }
    return NULL;
}

/* Which of mod_dbd's pools a server uses: hosts that say the same of it share one, as do those
 * that say nothing, with the main server. */
static const char *pool_name(const server_rec *s, apr_pool_t *p)
{
    const ap_directive_t *host = host_find(ap_conftree, s);

    return host ? dbd_settings(host->first_child, p) : "";
}

static int refuse(const bk_server_t *c, const char *what)
{
    ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_ERR, 0, c->server, "BookingEngine On at %s: %s",
                 c->engine_at ? c->engine_at : "(nowhere)", what);
    return HTTP_INTERNAL_SERVER_ERROR;
}

/* Rules between directives; each message says what to write. */
static int check(bk_server_t *c, apr_pool_t *ptemp)
{
    if (!c->engine_at) {
        return OK;
    }
    if (!bk_dbd_available()) {
        return refuse(c, "mod_dbd is required: write LoadModule dbd_module modules/mod_dbd.so");
    }
    if (!tree_find(ap_conftree, "DBDriver") || !tree_find(ap_conftree, "DBDParams") ||
        !drivers_good(ap_conftree)) {
        return refuse(c, "a database is required: write DBDriver pgsql and DBDParams \"host=... "
                         "dbname=...\"");
    }
    if (!c->keys) {
        return refuse(c, "a key is required: write BookingKey 1 file:/path/of/key (made with "
                         "bookingctl key new)");
    }
    if (bk_zone_init(NULL, ptemp) != APR_SUCCESS || !bk_zone_find("Europe/Berlin")) {
        return refuse(c, "/usr/share/zoneinfo has no time zone data: install tzdata");
    }
    return OK;
}

/* Also part of `apachectl -t`, which runs no post_config: it only looks. */
static int check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *main)
{
    const char *now = getenv("BOOKING_NOW");

    (void)pconf;
    (void)plog;
    if (ap_state_query(AP_SQ_RUN_MODE) == AP_SQ_RM_CONFIG_DUMP) {
        return OK;
    }
    for (server_rec *s = main; s; s = s->next) {
        bk_server_t *c = bk_server_of(s);
        int rc = check(c, ptemp);
        if (rc != OK) {
            return rc;
        }
        if (c->test_clock == 1 && now && !bk_clock_use(now)) {
            return refuse(c, "BOOKING_NOW must be an RFC 3339 instant, or the path of a file "
                             "that holds one");
        }
    }
    return OK;
}

static int post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp, server_rec *main)
{
    (void)plog;
    (void)ptemp;
    for (server_rec *s = main; s; s = s->next) {
        bk_server_of(s)->pool_name = s == main ? "" : pool_name(s, pconf);
        bk_dbd_source(bk_server_of(s));
    }
    bk_log_use(log_line);
    return OK;
}

static void child_init(apr_pool_t *pchild, server_rec *main)
{
    apr_status_t rv = bk_zone_init(NULL, pchild);

    bk_log_use(log_line);
    if (rv == APR_SUCCESS) {
        rv = bk_calendars_init(pchild);
    }
    for (server_rec *s = main; s && rv == APR_SUCCESS; s = s->next) {
        bk_server_t *c = bk_server_of(s);
        rv = bk_dbd_child_init(c, main, pchild);
        if (c->test_clock == 1) {
            bk_clock_use(getenv("BOOKING_NOW"));
        }
    }
    bk_dbd_available();
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, rv, main, "mod_booking: a child cannot start");
        exit(APEXIT_CHILDSICK);
    }
}

void bk_startup_hooks(apr_pool_t *p)
{
    (void)p;
    ap_hook_check_config(check_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(post_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(child_init, NULL, NULL, APR_HOOK_MIDDLE);
}
