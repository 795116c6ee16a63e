#include "booking/json.h"

#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>
#include <jansson.h>

#include "booking/time.h"

#define MEMBER(base, field, type) ((type *)(void *)((char *)(base) + (field)->offset))
/* The state of one decoding: where mistakes gather, and the path to the object at hand. */
typedef struct {
    apr_pool_t *p;
    bk_err_t *err;
    const char *prefix; /* "" or "videoMeetingConfig." */
} decode_t;

static void mistake(decode_t *d, const bk_field_t *f, const char *issue)
{
    d->err = bk_err_add(d->err, d->p, apr_pstrcat(d->p, d->prefix, f->name, NULL), "%s", issue);
}

/* --- text to value, shared by bodies and queries ------------------------------------ */

static bool has_control(const char *s, bool multiline)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if ((c < 0x20 && !(multiline && (c == '\n' || c == '\r' || c == '\t'))) || c == 0x7f) {
            return true;
        }
    }
    return false;
}

static bool is_blank(const char *s)
{
    return s[strspn(s, " \t\r\n")] == '\0';
}

bool bk_email_valid(const char *s)
{
    const char *at = strchr(s, '@');
    const char *domain = at ? at + 1 : NULL;
    size_t label = 0;
    bool dotted = false;

    if (!at || at == s || at - s > 64 || strlen(s) > 254 || strchr(domain, '@') ||
        strpbrk(s, " \t\r\n\"(),:;<>[\\]") || has_control(s, false) || at[-1] == '.' ||
        s[0] == '.' || strstr(s, "..")) {
        return false;
    }
    for (const char *c = domain; *c; c++) {
        if (*c == '.') {
            dotted = true;
            if (label == 0) {
                return false;
            }
            label = 0;
        }
        else if (apr_isalnum(*c) || *c == '-' || (unsigned char)*c >= 0x80) {
            label++;
        }
        else {
            return false;
        }
    }
    return dotted && label > 0;
}

static void read_string(decode_t *d, const bk_field_t *f, void *base, const char *s)
{
    size_t n = bk_utf8_length(s);

    if (has_control(s, f->flags & BK_F_MULTILINE)) {
        mistake(d, f, "must not contain control characters");
    }
    else if ((f->flags & (BK_F_REQUIRED | BK_F_NONEMPTY)) && is_blank(s)) {
        mistake(d, f, "must not be empty");
    }
    else if (f->max && (n < (size_t)f->min || n > (size_t)f->max)) {
        mistake(d, f, f->min > 0 ? apr_psprintf(d->p, "must have %d to %d characters", (int)f->min,
                                                (int)f->max)
                                 : apr_psprintf(d->p, "must have at most %d characters",
                                                (int)f->max));
    }
    else {
        *MEMBER(base, f, const char *) = apr_pstrdup(d->p, s);
    }
}

static void read_enum(decode_t *d, const bk_field_t *f, void *base, const char *s)
{
    const char *all = "must be one of";

    for (const char *const *c = f->choices; *c; c++) {
        if (strcmp(s, *c) == 0) {
            *MEMBER(base, f, const char *) = *c;
            return;
        }
        all = apr_pstrcat(d->p, all, c == f->choices ? " " : ", ", *c, NULL);
    }
    mistake(d, f, all);
}

/* "02:00 PM", "2:00 PM", as our own listings write times. */
static bool label_parse(const char *s, size_t len, int *tod)
{
    char padded[9];
    bool pm;

    if (len == 7 && s[0] >= '1' && s[0] <= '9') {
        padded[0] = '0';
        memcpy(padded + 1, s, 7);
    }
    else if (len == 8) {
        memcpy(padded, s, 8);
    }
    else {
        return false;
    }
    padded[8] = '\0';
    if (strcasecmp(padded + 5, " AM") != 0 && strcasecmp(padded + 5, " PM") != 0) {
        return false;
    }
    pm = padded[6] == 'P' || padded[6] == 'p';
    if (!bk_tod_parse(padded, 5, false, tod) || *tod < 3600 || *tod >= 13 * 3600) {
        return false;
    }
    *tod = *tod % (12 * 3600) + (pm ? 12 * 3600 : 0);
    return true;
}

/* The value of a kind that is written as text in bodies and queries alike; the mistake or NULL. */
static const char *text_value(const bk_field_t *f, const char *s, apr_int64_t *v)
{
    size_t len = strlen(s);
    bk_date_t date;
    bk_time_t at;
    int tod;

    switch (f->kind) {
    case BK_F_DATE:
        if (!bk_date_parse(s, len, &date)) {
            return "must be a date that exists, as YYYY-MM-DD";
        }
        *v = date;
        return NULL;
    case BK_F_TIME:
        if (!bk_tod_parse(s, len, false, &tod) && !label_parse(s, len, &tod)) {
            return "must be a time of day, as HH:MM:SS";
        }
        *v = tod;
        return NULL;
    case BK_F_HOUR:
        if (!bk_tod_parse(s, len, true, &tod) || tod % 60) {
            return "must be a time of day, as HH:MM, at most 24:00";
        }
        *v = tod;
        return NULL;
    case BK_F_INSTANT:
        if (!bk_instant_parse(s, len, &at)) {
            return "must be an instant with offset, as 2026-10-25T09:00:00+01:00";
        }
        *v = at;
        return NULL;
    case BK_F_ID:
        return bk_id_parse(s, f->format, v) ? NULL : "must be an id";
    default:
        return "must be of another kind";
    }
}

static void read_number(decode_t *d, const bk_field_t *f, void *base, apr_int64_t v)
{
    bool bounded = f->min != 0 || f->max != 0;

    if (f->kind == BK_F_ID && v <= 0) {
        mistake(d, f, "must be an id");
    }
    else if (f->kind == BK_F_INT && bounded && (v < f->min || v > f->max)) {
        mistake(d, f, apr_psprintf(d->p, "must be a whole number from %" APR_INT64_T_FMT " to %"
                                   APR_INT64_T_FMT, f->min, f->max));
    }
    else {
        *MEMBER(base, f, bk_num_t) = BK_NUM(v);
    }
}

/* Kinds a query and a JSON string have in common. */
static void read_text(decode_t *d, const bk_field_t *f, void *base, const char *s)
{
    apr_int64_t v = 0;
    const char *wrong;

    switch (f->kind) {
    case BK_F_STRING:
        read_string(d, f, base, s);
        return;
    case BK_F_ENUM:
        read_enum(d, f, base, s);
        return;
    case BK_F_EMAIL:
        if (bk_email_valid(s)) {
            *MEMBER(base, f, const char *) = apr_pstrdup(d->p, s);
        }
        else {
            mistake(d, f, "must be an e-mail address");
        }
        return;
    default:
        wrong = text_value(f, s, &v);
        if (wrong) {
            mistake(d, f, wrong);
        }
        else {
            *MEMBER(base, f, bk_num_t) = BK_NUM(v);
        }
    }
}

/* --- bodies -------------------------------------------------------------------------- */

static void read_object(decode_t *d, const bk_shape_t *shape, void *base, json_t *object);

static void read_strings(decode_t *d, const bk_field_t *f, void *base, json_t *value)
{
    apr_array_header_t *list = apr_array_make(d->p, 4, sizeof(const char *));

    if (!json_is_array(value) || json_array_size(value) > (size_t)f->max) {
        mistake(d, f, apr_psprintf(d->p, "must be an array of at most %d strings", (int)f->max));
        return;
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        const char *s = json_string_value(json_array_get(value, i));
        if (!s || is_blank(s) || has_control(s, false) || bk_utf8_length(s) > 200) {
            mistake(d, f, "must hold strings of 1 to 200 characters");
            return;
        }
        APR_ARRAY_PUSH(list, const char *) = apr_pstrdup(d->p, s);
    }
    *MEMBER(base, f, apr_array_header_t *) = list;
}

static void read_nested(decode_t *d, const bk_field_t *f, void *base, json_t *value)
{
    decode_t inner = *d;
    void *object = apr_pcalloc(d->p, f->shape->size);

    if (!json_is_object(value)) {
        mistake(d, f, "must be an object");
        return;
    }
    inner.prefix = apr_pstrcat(d->p, d->prefix, f->name, ".", NULL);
    read_object(&inner, f->shape, object, value);
    d->err = inner.err;
    *MEMBER(base, f, const void *) = object;
}

static const char *kind_phrase(bk_field_kind_t kind)
{
    switch (kind) {
    case BK_F_INT:
        return "must be a whole number";
    case BK_F_BOOL:
        return "must be true or false";
    case BK_F_ID:
        return "must be an id";
    default:
        return "must be a string";
    }
}

static void read_value(decode_t *d, const bk_field_t *f, void *base, json_t *value)
{
    bool number = f->kind == BK_F_INT || f->kind == BK_F_ID;

    if (f->kind == BK_F_OBJECT) {
        read_nested(d, f, base, value);
    }
    else if (f->kind == BK_F_STRINGS) {
        read_strings(d, f, base, value);
    }
    else if (f->kind == BK_F_BOOL && json_is_boolean(value)) {
        *MEMBER(base, f, bk_num_t) = BK_NUM(json_is_true(value));
    }
    else if (number && json_is_integer(value)) {
        read_number(d, f, base, json_integer_value(value));
    }
    else if (f->kind != BK_F_INT && f->kind != BK_F_BOOL && json_is_string(value)) {
        read_text(d, f, base, json_string_value(value));
    }
    else {
        mistake(d, f, kind_phrase(f->kind));
    }
}

static void read_object(decode_t *d, const bk_shape_t *shape, void *base, json_t *object)
{
    for (size_t i = 0; i < shape->n; i++) {
        const bk_field_t *f = &shape->fields[i];
        json_t *value = json_object_get(object, f->name);

        if (value && !json_is_null(value)) {
            read_value(d, f, base, value);
        }
        else if (f->flags & BK_F_REQUIRED) {
            mistake(d, f, "is required");
        }
    }
}

static bk_err_t *malformed(const json_error_t *at, apr_pool_t *p)
{
    /* jansson's text may quote the input, which can hold personal data: leave it out. */
    const char *what = json_error_code(at) == json_error_duplicate_key ? "a member is given twice"
                     : json_error_code(at) == json_error_numeric_overflow ? "a number is too large"
                     : json_error_code(at) == json_error_stack_overflow ? "it is nested too deep"
                     : json_error_code(at) == json_error_premature_end_of_input
                       ? "it ends too early"
                     : json_error_code(at) == json_error_invalid_utf8 ? "it is not UTF-8"
                     : json_error_code(at) == json_error_null_character
                           || json_error_code(at) == json_error_null_byte_in_key
                       ? "a string holds a NUL character" : "it cannot be read here";

    return bk_err_field(BK_E_MALFORMED_JSON, "body",
                        apr_psprintf(p, "line %d, column %d: %s", at->line < 1 ? 1 : at->line,
                                     at->column < 0 ? 0 : at->column, what), p);
}

bk_err_t *bk_json_decode(void **out, const bk_shape_t *shape, const char *body, size_t len,
                         apr_pool_t *p)
{
    decode_t d = {p, NULL, ""};
    json_error_t at;
    json_t *root;

    *out = apr_pcalloc(p, shape->size);
    root = len ? json_loadb(body, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &at)
               : json_object();
    if (!root) {
        return malformed(&at, p);
    }
    if (json_is_object(root)) {
        read_object(&d, shape, *out, root);
    }
    else {
        d.err = bk_err_add(NULL, p, "body", "must be a JSON object");
    }
    json_decref(root);
    return d.err;
}

/* --- queries ------------------------------------------------------------------------- */

static void read_query_value(decode_t *d, const bk_field_t *f, void *base, const char *s)
{
    apr_int64_t v;
    bool negative = s[0] == '-';

    if (f->kind == BK_F_INT) {
        if (bk_int_parse(s + negative, strlen(s + negative), &v)) {
            read_number(d, f, base, negative ? -v : v);
        }
        else {
            mistake(d, f, kind_phrase(f->kind));
        }
    }
    else if (f->kind == BK_F_BOOL) {
        if (strcmp(s, "true") == 0 || strcmp(s, "false") == 0) {
            *MEMBER(base, f, bk_num_t) = BK_NUM(s[0] == 't');
        }
        else {
            mistake(d, f, kind_phrase(f->kind));
        }
    }
    else {
        read_text(d, f, base, s);
    }
}

static const bk_field_t *field_find(const bk_shape_t *shape, const char *name, size_t *index)
{
    for (size_t i = 0; i < shape->n; i++) {
        if (strcmp(shape->fields[i].name, name) == 0) {
            *index = i;
            return &shape->fields[i];
        }
    }
    return NULL;
}

static void read_pair(decode_t *d, const bk_shape_t *shape, void *base, const char *pair,
                      size_t len, apr_uint64_t *seen)
{
    const char *eq = memchr(pair, '=', len);
    size_t name_len = eq ? (size_t)(eq - pair) : len, index = 0;
    const char *name = bk_url_decode(pair, name_len, true, d->p);
    const char *value = eq ? bk_url_decode(eq + 1, len - name_len - 1, true, d->p) : "";
    const bk_field_t *f = name ? field_find(shape, name, &index) : NULL;

    if (!name) {
        d->err = bk_err_add(d->err, d->p, "query", "holds a broken %%-escape");
    }
    else if (!f) {
        return;
    }
    else if (*seen & (1ULL << index)) {
        mistake(d, f, "is given twice");
    }
    else if (!value) {
        mistake(d, f, "holds a broken %-escape or a control character");
    }
    else {
        *seen |= 1ULL << index;
        read_query_value(d, f, base, value);
    }
}

bk_err_t *bk_query_decode(void **out, const bk_shape_t *shape, const char *query, apr_pool_t *p)
{
    decode_t d = {p, NULL, ""};
    apr_uint64_t seen = 0;

    *out = apr_pcalloc(p, shape->size);
    while (query && *query) {
        size_t len = strcspn(query, "&");
        if (len) {
            read_pair(&d, shape, *out, query, len, &seen);
        }
        query += len + (query[len] == '&');
    }
    for (size_t i = 0; i < shape->n; i++) {
        if ((shape->fields[i].flags & BK_F_REQUIRED) && !(seen & (1ULL << i))) {
            mistake(&d, &shape->fields[i], "is required");
        }
    }
    return d.err;
}

apr_array_header_t *bk_json_strings(const char *json, apr_pool_t *p)
{
    apr_array_header_t *list = apr_array_make(p, 4, sizeof(const char *));
    json_t *root = json ? json_loads(json, 0, NULL) : NULL;

    for (size_t i = 0; i < json_array_size(root); i++) {
        const char *s = json_string_value(json_array_get(root, i));
        if (s) {
            APR_ARRAY_PUSH(list, const char *) = apr_pstrdup(p, s);
        }
    }
    json_decref(root);
    return list;
}
