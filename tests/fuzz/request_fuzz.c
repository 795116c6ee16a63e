/* Whole requests, to a site without a database. The input is text:
 *
 *     FLAGS METHOD PATH?QUERY
 *     Header: value
 *
 *     body
 *
 * FLAGS is a letter: 'a' + role + 4 * guests + 8 * private availability. */
#include "fuzz.h"

#include <jansson.h>

#include "../unit/host.h"
#include "../../src/api/route.h"

const char fuzz_name[] = "request";

static void log_drop(bk_log_level_t level, const char *line)
{
    (void)level;
    (void)line;
}

static const bk_keyring_t *start(void)
{
    static const bk_keyring_t *keys;

    if (!keys) {
        bk_zone_init(NULL, fuzz_process());
        bk_calendars_init(fuzz_process());
        bk_log_use(log_drop);
        keys = host_keys("k1", HOST_KEY, fuzz_process());
        FUZZ_EXPECT(keys != NULL);
    }
    return keys;
}

/* Cuts the next line off *text*. */
static char *line_next(char **text)
{
    char *line = *text;

    *text += strcspn(line, "\n");
    if (**text) {
        *(*text)++ = '\0';
    }
    return line;
}

/* What stands before *mark*; *text* moves behind it. */
static char *cut(char **text, char mark)
{
    char *word = *text, *at = strchr(word, mark);

    *text = at ? at + 1 : word + strlen(word);
    if (at) {
        *at = '\0';
    }
    return word;
}

static void headers_read(host_t *h, char **text)
{
    for (char *line = line_next(text); *line; line = line_next(text)) {
        char *name = cut(&line, ':');
        if (h->n < HOST_HEADERS) {
            host_set(h, name, line + strspn(line, " "));
        }
    }
}

static int header_good(void *unused, const char *name, const char *value)
{
    (void)unused;
    FUZZ_EXPECT(*name && !strpbrk(value, "\r\n"));
    return 1;
}

static void answer_good(const bk_resp_t *resp)
{
    FUZZ_EXPECT(resp->status >= 200 && resp->status < 600 && resp->status != 500);
    FUZZ_EXPECT(resp->body || resp->status == 204);
    apr_table_do(header_good, NULL, resp->headers, NULL);
    if (resp->body) {
        json_t *root = json_loadb(resp->body, resp->len, 0, NULL);
        FUZZ_EXPECT(root != NULL);
        json_decref(root);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const bk_keyring_t *keys = start();
    apr_pool_t *p = fuzz_pool();
    char *text = apr_pstrmemdup(p, (const char *)data, size), *end = text + size;
    char *line = line_next(&text);
    int flags = (*cut(&line, ' ') - 'a') & 15;
    const char *method = cut(&line, ' ');
    const char *path = cut(&line, '?');
    bk_site_t site = host_site();
    host_t h = {.n = 0};
    bk_req_t req;
    bk_resp_t resp;

    headers_read(&h, &text);
    h.body = text;
    h.len = (size_t)(end - text);
    site.guests = flags & 4;
    site.public_availability = !(flags & 8);
    req = host_request(&site, &h, method, path, keys, p);
    req.query = *line ? line : NULL;
    req.ctx.role = (bk_role_t)(flags & 3);
    req.ctx.role_known = true;
    req.ctx.user_id = req.ctx.role == BK_ROLE_ANONYMOUS ? NULL : "u1";
    bk_api_serve(&resp, &req);
    FUZZ_EXPECT(!req.ctx.db);
    answer_good(&resp);
    return 0;
}
