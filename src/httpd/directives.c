/* The directives: one table, their values, and how sections inherit. */
#include "glue.h"

#include <apr_strings.h>

#include "http_vhost.h"

APLOG_USE_MODULE(booking);

#define DEFAULT_BASE "/api"

/* Where a directive may stand. Keys, the database and the clock belong to the server. */
#define IN_SERVER RSRC_CONF
#define IN_SECTIONS (RSRC_CONF | ACCESS_CONF)
#define IN_HTACCESS (RSRC_CONF | ACCESS_CONF | OR_FILEINFO)

/* --- records ---------------------------------------------------------------------------------- */

void *bk_dir_create(apr_pool_t *p, char *path)
{
    bk_dir_t *d = apr_pcalloc(p, sizeof(*d));

    (void)path;
    d->engine = d->guests = d->public_availability = d->manage_ttl_days = BK_UNSET;
    d->body_limit = BK_UNSET;
    d->routes_keep = BK_GROUP_ALL;
    return d;
}

#define INHERIT(member) (add->member != BK_UNSET ? add->member : base->member)
#define INHERIT_TEXT(member) (add->member ? add->member : base->member)

void *bk_dir_merge(apr_pool_t *p, void *base_conf, void *add_conf)
{
    const bk_dir_t *base = base_conf, *add = add_conf;
    bk_dir_t *d = apr_pcalloc(p, sizeof(*d));
    bool placed = add->base || add->directory;

    d->engine = INHERIT(engine);
    d->base = placed ? add->base : base->base;
    d->directory = placed ? add->directory : base->directory;
    d->routes_keep = base->routes_keep & add->routes_keep;
    d->routes_add = (base->routes_add & add->routes_keep) | add->routes_add;
    d->guests = INHERIT(guests);
    d->public_availability = INHERIT(public_availability);
    d->manage_ttl_days = INHERIT(manage_ttl_days);
    d->body_limit = INHERIT(body_limit);
    d->identity_prefix = INHERIT_TEXT(identity_prefix);
    d->role_env = INHERIT_TEXT(role_env);
    d->issuer = INHERIT_TEXT(issuer);
    d->audience = INHERIT_TEXT(audience);
    return d;
}

unsigned bk_dir_groups(const bk_dir_t *d)
{
    return (BK_GROUP_ALL & d->routes_keep) | d->routes_add;
}

void *bk_server_create(apr_pool_t *p, server_rec *s)
{
    bk_server_t *c = apr_pcalloc(p, sizeof(*c));

    c->server = s;
    c->db_max = c->db_wait_ms = c->db_prepare = c->test_clock = BK_UNSET;
    c->bases = apr_array_make(p, 2, sizeof(const char *));
    return c;
}

void *bk_server_merge(apr_pool_t *p, void *base_conf, void *add_conf)
{
    const bk_server_t *base = base_conf, *add = add_conf;
    bk_server_t *c = apr_pcalloc(p, sizeof(*c));

    c->server = add->server;
    c->keys = add->keys ? add->keys : base->keys;
    c->public_url = INHERIT_TEXT(public_url);
    c->public_url_is_base = (add->public_url ? add : base)->public_url_is_base;
    c->db_max = INHERIT(db_max);
    c->db_wait_ms = INHERIT(db_wait_ms);
    c->db_prepare = INHERIT(db_prepare);
    c->test_clock = INHERIT(test_clock);
    c->bases = apr_array_append(p, base->bases, add->bases);
    c->engine_at = INHERIT_TEXT(engine_at);
    return c;
}

/* --- server ----------------------------------------------------------------------------------- */

/* An id, then the source to the end of the line, so that a command's arguments need no quotes. */
static const char *set_key(cmd_parms *cmd, void *unused, const char *args)
{
    bk_server_t *c = bk_server_of(cmd->server);
    const char *id = ap_getword_conf(cmd->temp_pool, &args), *source = args, *wrong;

    (void)unused;
    if (*args == '"' || *args == '\'') {
        source = ap_getword_conf(cmd->temp_pool, &args);
    }
    if (!*id || !*source) {
        return "BookingKey takes an id and a source: file:/path, env:NAME or exec:/command";
    }
    if (!c->keys) {
        c->keys = bk_keyring_make(cmd->pool);
    }
    /* A dump of the configuration neither needs keys nor may run commands. */
    if (ap_state_query(AP_SQ_RUN_MODE) == AP_SQ_RM_CONFIG_DUMP) {
        return NULL;
    }
    wrong = bk_keyring_add(c->keys, id, source, cmd->temp_pool);
    return wrong ? apr_pstrcat(cmd->pool, "BookingKey: ", wrong, NULL) : NULL;
}

static const char *set_number(int *out, cmd_parms *cmd, const char *text, int low, int high)
{
    char *end;
    apr_int64_t n = apr_strtoi64(text, &end, 10);

    if (!*text || *end || n < low || n > high) {
        return apr_psprintf(cmd->pool, "%s must be a whole number from %d to %d, not \"%s\"",
                            cmd->cmd->name, low, high, text);
    }
    *out = (int)n;
    return NULL;
}

static const char *set_db_max(cmd_parms *cmd, void *unused, const char *text)
{
    (void)unused;
    return set_number(&bk_server_of(cmd->server)->db_max, cmd, text, 1, 1000);
}

static const char *set_db_wait(cmd_parms *cmd, void *unused, const char *text)
{
    (void)unused;
    return set_number(&bk_server_of(cmd->server)->db_wait_ms, cmd, text, 1, 60000);
}

static const char *set_db_prepare(cmd_parms *cmd, void *unused, const char *text)
{
    bk_server_t *c = bk_server_of(cmd->server);

    (void)unused;
    if (strcasecmp(text, "auto") != 0 && strcasecmp(text, "off") != 0) {
        return "BookingDBPrepare must be Auto or Off";
    }
    c->db_prepare = strcasecmp(text, "auto") == 0;
    return NULL;
}

static const char *set_test_clock(cmd_parms *cmd, void *unused, int on)
{
    (void)unused;
    bk_server_of(cmd->server)->test_clock = on;
    return NULL;
}

static const char *set_public_url(cmd_parms *cmd, void *unused, const char *text)
{
    bk_server_t *c = bk_server_of(cmd->server);
    size_t n = strlen(text);
    apr_uri_t uri;

    (void)unused;
    if (apr_uri_parse(cmd->temp_pool, text, &uri) != APR_SUCCESS || !uri.hostname ||
        !uri.scheme || (strcmp(uri.scheme, "https") != 0 && strcmp(uri.scheme, "http") != 0) ||
        uri.query || uri.fragment) {
        return "BookingPublicURL must be scheme and host, such as https://www.clinic.example, and "
               "may add the API's path, such as https://www.clinic.example/api";
    }
    while (n && text[n - 1] == '/') {
        n--;
    }
    c->public_url = apr_pstrmemdup(cmd->pool, text, n);
    c->public_url_is_base = uri.path && uri.path[strspn(uri.path, "/")];
    return NULL;
}

/* --- sections --------------------------------------------------------------------------------- */

static bool in_location(cmd_parms *cmd)
{
    return cmd->path && ap_check_cmd_context(cmd, NOT_IN_LOCATION) != NULL;
}

/* Where the API stands: at the path of a <Location>, or under "api" in a directory. */
static const char *place(bk_dir_t *d, cmd_parms *cmd)
{
    size_t n = cmd->path ? strlen(cmd->path) : 0;

    if (!cmd->path) {
        d->base = DEFAULT_BASE;
    }
    else if (in_location(cmd)) {
        const char *section = cmd->directive->parent ? cmd->directive->parent->directive : "";
        if (strcasecmp(section, "<LocationMatch") == 0 || cmd->path[0] != '/' ||
            strpbrk(cmd->path, "*?[")) {
            return "BookingEngine On belongs in a plain <Location \"/api\">, without wildcards: "
                   "its path is the base of all routes";
        }
        while (n > 1 && cmd->path[n - 1] == '/') {
            n--;
        }
        d->base = n == 1 ? "" : apr_pstrmemdup(cmd->pool, cmd->path, n);
    }
    else {
        d->directory = cmd->path[n - 1] == '/' ? cmd->path
                                               : apr_pstrcat(cmd->pool, cmd->path, "/", NULL);
    }
    return NULL;
}

static const char *set_engine(cmd_parms *cmd, void *conf, int on)
{
    bk_dir_t *d = conf;
    bk_server_t *c = bk_server_of(cmd->server);
    const char *wrong = on ? place(d, cmd) : NULL;

    d->engine = on;
    /* An .htaccess is read by many threads at once, and the server's record is everybody's. */
    if (wrong || !on || ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_RUN_MPM) {
        return wrong;
    }
    if (d->base) {
        APR_ARRAY_PUSH(c->bases, const char *) = d->base;
    }
    if (!c->engine_at) {
        c->engine_at = apr_psprintf(cmd->pool, "%s:%d", cmd->directive->filename,
                                    cmd->directive->line_num);
    }
    return NULL;
}

/* all, none, or groups with + and -; a bare group list means just these. */
static const char *set_routes(cmd_parms *cmd, void *conf, const char *args)
{
    bk_dir_t *d = conf;
    bool bare = false;

    while (*args) {
        const char *word = ap_getword_conf(cmd->pool, &args);
        char sign = *word == '+' || *word == '-' ? *word : '\0';
        int group = bk_group_find(word + (sign != '\0'));
        unsigned bit = group < 0 ? 0 : 1u << group;

        if (!sign && (strcasecmp(word, "all") == 0 || strcasecmp(word, "none") == 0)) {
            d->routes_keep = 0;
            d->routes_add = strcasecmp(word, "all") == 0 ? BK_GROUP_ALL : 0;
            bare = true;
            continue;
        }
        if (group < 0) {
            const char *names = bk_group_name(0);
            for (int i = 1; i < BK_GROUP_COUNT; i++) {
                names = apr_pstrcat(cmd->pool, names, ", ", bk_group_name((bk_group_t)i), NULL);
            }
            return apr_psprintf(cmd->pool, "BookingRoutes: there is no route group \"%s\"; "
                                "write all, none, or any of %s, each with + or -", word, names);
        }
        if (!sign && !bare) {
            d->routes_keep = d->routes_add = 0;
            bare = true;
        }
        d->routes_keep &= ~bit;
        d->routes_add = sign == '-' ? d->routes_add & ~bit : d->routes_add | bit;
    }
    return NULL;
}

/* A word that can begin, or be, the name of an environment variable. */
static const char *set_env_name(cmd_parms *cmd, void *conf, const char *text)
{
    size_t n = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");

    if (n == 0 || text[n]) {
        return apr_psprintf(cmd->pool, "%s must be letters, digits, '_' and '-', such as "
                            "OAUTH2_CLAIM_, not \"%s\"", cmd->cmd->name, text);
    }
    return ap_set_string_slot(cmd, conf, text);
}

static const char *set_expected(cmd_parms *cmd, void *conf, const char *text)
{
    if (!*text) {
        return apr_psprintf(cmd->pool, "%s must not be empty: leave the line out to accept any",
                            cmd->cmd->name);
    }
    return ap_set_string_slot(cmd, conf, text);
}

static const char *set_body_limit(cmd_parms *cmd, void *conf, const char *text)
{
    int n = 0;
    const char *wrong = set_number(&n, cmd, text, 1024, 16777216);

    if (!wrong) {
        ((bk_dir_t *)conf)->body_limit = n;
    }
    return wrong;
}

static const char *set_manage_ttl(cmd_parms *cmd, void *conf, const char *text)
{
    return set_number(&((bk_dir_t *)conf)->manage_ttl_days, cmd, text, 0, 3650);
}

#define OFFSET(member) (void *)APR_OFFSETOF(bk_dir_t, member)

const command_rec bk_directives[] = {
    AP_INIT_FLAG("BookingEngine", set_engine, NULL, IN_HTACCESS,
                 "On: the API stands here, at the path of a <Location> or below api/ in a "
                 "directory"),
    AP_INIT_RAW_ARGS("BookingRoutes", set_routes, NULL, IN_HTACCESS,
                     "route groups that are on: all, none, or groups with + and -"),
    AP_INIT_FLAG("BookingGuests", ap_set_flag_slot, OFFSET(guests), IN_SECTIONS,
                 "On: anonymous callers may book"),
    AP_INIT_FLAG("BookingPublicAvailability", ap_set_flag_slot, OFFSET(public_availability),
                 IN_SECTIONS, "Off: free times are for signed-in callers only"),
    AP_INIT_TAKE1("BookingManageTTL", set_manage_ttl, NULL, IN_SECTIONS,
                  "days after a visit that its manage token stays good"),
    AP_INIT_TAKE1("BookingBodyLimit", set_body_limit, NULL, IN_SECTIONS,
                  "largest request body, bytes"),
    AP_INIT_TAKE1("BookingIdentityPrefix", set_env_name, OFFSET(identity_prefix),
                  IN_SECTIONS, "prefix of the environment variables that hold verified claims"),
    AP_INIT_TAKE1("BookingRoleEnv", set_env_name, OFFSET(role_env), IN_SECTIONS,
                  "environment variable that holds the role"),
    AP_INIT_TAKE1("BookingIssuer", set_expected, OFFSET(issuer), IN_SECTIONS,
                  "the only issuer (iss) whose tokens are good"),
    AP_INIT_TAKE1("BookingAudience", set_expected, OFFSET(audience), IN_SECTIONS,
                  "the audience (aud) that tokens must name"),
    AP_INIT_RAW_ARGS("BookingKey", set_key, NULL, IN_SERVER,
                  "a key's id and where it is: file:/path, env:NAME or exec:/command"),
    AP_INIT_TAKE1("BookingPublicURL", set_public_url, NULL, IN_SERVER,
                  "where links lead: https://www.clinic.example, or with the path of the API"),
    AP_INIT_TAKE1("BookingDBMax", set_db_max, NULL, IN_SERVER,
                  "database connections one child uses at once, at most DBDMax"),
    AP_INIT_TAKE1("BookingDBWait", set_db_wait, NULL, IN_SERVER,
                  "milliseconds to wait for a database connection before answering 503"),
    AP_INIT_TAKE1("BookingDBPrepare", set_db_prepare, NULL, IN_SERVER,
                  "Auto: prepared statements where they last; Off: never"),
    AP_INIT_FLAG("BookingTestClock", set_test_clock, NULL, IN_SERVER,
                 "On: the environment variable BOOKING_NOW is the clock (tests only)"),
    {NULL, {NULL}, NULL, 0, RAW_ARGS, NULL}};
