/* The OpenAPI 3.1 description, written from the tables that serve the requests. */
#include "route.h"

#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>

static void put_pair(bk_buf_t *b, const char *name, const char *value)
{
    bk_buf_json(b, name);
    bk_buf_puts(b, ": ");
    bk_buf_json(b, value);
}

static void put_ref(bk_buf_t *b, const bk_shape_t *shape)
{
    bk_buf_puts(b, "{\"$ref\": \"#/components/schemas/");
    bk_buf_puts(b, shape->name);
    bk_buf_puts(b, "\"}");
}

static const char *string_format(const bk_field_t *f)
{
    switch (f->kind) {
    case BK_F_EMAIL:
        return "email";
    case BK_F_DATE:
        return "date";
    case BK_F_INSTANT:
        return "date-time";
    case BK_F_TIME:
    case BK_F_HOUR:
        return "time-of-day";
    default:
        return f->format;
    }
}

static void put_bounds(bk_buf_t *b, const bk_field_t *f, const char *low, const char *high)
{
    if (f->min || f->max) {
        bk_buf_puts(b, ", \"");
        bk_buf_puts(b, low);
        bk_buf_puts(b, "\": ");
        bk_buf_int(b, f->min);
        bk_buf_puts(b, ", \"");
        bk_buf_puts(b, high);
        bk_buf_puts(b, "\": ");
        bk_buf_int(b, f->max);
    }
}

static void put_string_schema(bk_buf_t *b, const bk_field_t *f)
{
    const char *format = string_format(f);

    if (format) {
        bk_buf_puts(b, ", ");
        put_pair(b, "format", format);
    }
    if (f->kind == BK_F_STRING) {
        put_bounds(b, f, "minLength", "maxLength");
    }
    if (f->choices) {
        bk_buf_puts(b, ", \"enum\": [");
        for (const char *const *c = f->choices; *c; c++) {
            bk_buf_puts(b, c == f->choices ? "" : ", ");
            bk_buf_json(b, *c);
        }
        bk_buf_putc(b, ']');
    }
}

/* "type": "string", or with null where an answer may have it. */
static void put_type(bk_buf_t *b, const char *type, bool nullable)
{
    bk_buf_puts(b, nullable ? "\"type\": [\"" : "\"type\": \"");
    bk_buf_puts(b, type);
    bk_buf_puts(b, nullable ? "\", \"null\"]" : "\"");
}

/* The schema's members, without braces. In an answer, what is not set is null. */
static void put_schema(bk_buf_t *b, const bk_field_t *f, bool answer)
{
    bool nullable = answer && !(f->flags & BK_F_OMIT);

    switch (f->kind) {
    case BK_F_INT:
        put_type(b, "integer", nullable);
        put_bounds(b, f, "minimum", "maximum");
        break;
    case BK_F_ID:
        bk_buf_puts(b, "\"type\": [\"integer\", \"string\"]");
        break;
    case BK_F_NUMBER:
        put_type(b, "number", nullable);
        break;
    case BK_F_BOOL:
        put_type(b, "boolean", nullable);
        break;
    case BK_F_STRINGS:
        bk_buf_puts(b, "\"type\": \"array\", \"items\": {\"type\": \"string\"}");
        break;
    case BK_F_OBJECT:
        bk_buf_puts(b, "\"allOf\": [");
        put_ref(b, f->shape);
        bk_buf_putc(b, ']');
        break;
    case BK_F_LIST:
        bk_buf_puts(b, "\"type\": \"array\", \"items\": ");
        put_ref(b, f->shape);
        break;
    default:
        put_type(b, "string", nullable);
        put_string_schema(b, f);
    }
    if (f->doc) {
        bk_buf_puts(b, ", ");
        put_pair(b, "description", f->doc);
    }
}

static void put_required(bk_buf_t *b, const bk_shape_t *shape)
{
    const char *before = ", \"required\": [";

    for (size_t i = 0; i < shape->n; i++) {
        if (shape->fields[i].flags & BK_F_REQUIRED) {
            bk_buf_puts(b, before);
            bk_buf_json(b, shape->fields[i].name);
            before = ", ";
        }
    }
    if (before[2] == '\0') {
        bk_buf_putc(b, ']');
    }
}

static void put_component(bk_buf_t *b, const bk_shape_t *shape, bool answer)
{
    bk_buf_json(b, shape->name);
    bk_buf_puts(b, ": {\"type\": \"object\", \"properties\": {");
    for (size_t i = 0; i < shape->n; i++) {
        bk_buf_puts(b, i ? ", " : "");
        bk_buf_json(b, shape->fields[i].name);
        bk_buf_puts(b, ": {");
        put_schema(b, &shape->fields[i], answer);
        bk_buf_putc(b, '}');
    }
    bk_buf_putc(b, '}');
    put_required(b, shape);
    bk_buf_putc(b, '}');
}

/* Adds a shape and those inside it, each once. */
static void put_components(bk_buf_t *b, const bk_shape_t *shape, bool answer, apr_hash_t *seen)
{
    if (shape == &bk_shape_none || apr_hash_get(seen, shape->name, APR_HASH_KEY_STRING)) {
        return;
    }
    bk_buf_puts(b, apr_hash_count(seen) ? ",\n" : "");
    apr_hash_set(seen, shape->name, APR_HASH_KEY_STRING, shape);
    put_component(b, shape, answer);
    for (size_t i = 0; i < shape->n; i++) {
        if (shape->fields[i].shape) {
            put_components(b, shape->fields[i].shape, answer, seen);
        }
    }
}

static void put_parameter(bk_buf_t *b, const char *name, const char *in, bool required)
{
    bk_buf_putc(b, '{');
    put_pair(b, "name", name);
    bk_buf_puts(b, ", ");
    put_pair(b, "in", in);
    bk_buf_puts(b, required ? ", \"required\": true, \"schema\": {" : ", \"schema\": {");
}

static void put_parameters(bk_buf_t *b, const bk_route_t *route, apr_pool_t *p)
{
    const char *separator = "";

    bk_buf_puts(b, ", \"parameters\": [");
    for (const char *at = strchr(route->template, '{'); at; at = strchr(at + 1, '{')) {
        bk_buf_puts(b, separator);
        put_parameter(b, apr_pstrmemdup(p, at + 1, strcspn(at + 1, "}")), "path", true);
        bk_buf_puts(b, "\"type\": \"string\"}}");
        separator = ", ";
    }
    for (size_t i = 0; i < route->query->n; i++) {
        const bk_field_t *f = &route->query->fields[i];
        bk_buf_puts(b, separator);
        put_parameter(b, f->name, "query", f->flags & BK_F_REQUIRED);
        put_schema(b, f, false);
        bk_buf_puts(b, "}}");
        separator = ", ";
    }
    if (route->grants[BK_ROLE_ANONYMOUS] == BK_GRANT_TOKEN) {
        bk_buf_puts(b, separator);
        put_parameter(b, "token", "query", false);
        bk_buf_puts(b, "\"type\": \"string\", \"description\": \"manage token of the visit\"}}");
        separator = ", ";
    }
    if (route->flags & BK_ROUTE_WRITE) {
        bk_buf_puts(b, separator);
        put_parameter(b, "Idempotency-Key", "header", false);
        bk_buf_puts(b, "\"type\": \"string\", \"minLength\": 1, \"maxLength\": 255}}");
    }
    bk_buf_putc(b, ']');
}

static void put_json_content(bk_buf_t *b, const bk_shape_t *shape)
{
    bk_buf_puts(b, "\"content\": {\"application/json\": {\"schema\": ");
    if (shape == &bk_shape_none) {
        bk_buf_puts(b, "{\"type\": \"object\"}");
    }
    else {
        put_ref(b, shape);
    }
    bk_buf_puts(b, "}}");
}

static void put_roles(bk_buf_t *b, const bk_route_t *route)
{
    static const char *const grants[] = {"none", "any", "own", "practice", "token",
                                         "configurable, off", "configurable, on"};

    bk_buf_puts(b, ", \"x-roles\": {");
    for (int r = BK_ROLE_ANONYMOUS; r <= BK_ROLE_ADMIN; r++) {
        bk_buf_puts(b, r ? ", " : "");
        put_pair(b, bk_role_name((bk_role_t)r), grants[route->grants[r]]);
    }
    bk_buf_putc(b, '}');
}

static void put_operation(bk_buf_t *b, const bk_route_t *route, apr_pool_t *p)
{
    char *method = apr_pstrdup(p, route->method);
    bool open = route->grants[BK_ROLE_ANONYMOUS] != BK_GRANT_NONE;

    for (char *c = method; *c; c++) {
        *c = (char)(*c | 0x20);
    }
    bk_buf_json(b, method);
    bk_buf_puts(b, ": {");
    put_pair(b, "operationId", route->name);
    bk_buf_puts(b, ", ");
    put_pair(b, "summary", route->summary);
    bk_buf_puts(b, ", \"tags\": [");
    bk_buf_json(b, bk_group_name(route->group));
    bk_buf_puts(b, "], ");
    bk_buf_puts(b, open ? "\"security\": [{}, {\"bearer\": []}]"
                        : "\"security\": [{\"bearer\": []}]");
    put_roles(b, route);
    put_parameters(b, route, p);
    if (route->body != &bk_shape_none) {
        bk_buf_puts(b, ", \"requestBody\": {");
        put_json_content(b, route->body);
        bk_buf_putc(b, '}');
    }
    bk_buf_puts(b, ", \"responses\": {\"");
    bk_buf_int(b, route->status);
    bk_buf_puts(b, "\": {\"description\": \"fine\", ");
    put_json_content(b, route->answer);
    bk_buf_puts(b, "}, \"default\": {\"description\": \"an error\", ");
    put_json_content(b, &bk_shape_error);
    bk_buf_puts(b, "}}}");
}

/* Paths keep the order of the table; methods of one path gather at its first row. */
static void put_paths(bk_buf_t *b, unsigned on, apr_pool_t *p)
{
    apr_hash_t *seen = apr_hash_make(p);

    for (size_t i = 0; i < bk_routes_count; i++) {
        const char *template = bk_routes[i].template, *separator = "";
        if (!(on & (1u << bk_routes[i].group)) ||
            apr_hash_get(seen, template, APR_HASH_KEY_STRING)) {
            continue;
        }
        bk_buf_puts(b, apr_hash_count(seen) ? ",\n" : "");
        apr_hash_set(seen, template, APR_HASH_KEY_STRING, template);
        bk_buf_json(b, template);
        bk_buf_puts(b, ": {");
        for (size_t k = i; k < bk_routes_count; k++) {
            if (strcmp(bk_routes[k].template, template) == 0) {
                bk_buf_puts(b, separator);
                put_operation(b, &bk_routes[k], p);
                separator = ", ";
            }
        }
        bk_buf_putc(b, '}');
    }
}

const char *bk_openapi_text(const bk_site_t *site, const char *base, apr_pool_t *p)
{
    apr_hash_t *seen = apr_hash_make(p);
    bk_buf_t b;

    bk_buf_init(&b, 65536, p);
    bk_buf_puts(&b, "{\"openapi\": \"3.1.0\",\n\"info\": {\"title\": \"mod_booking\", "
                    "\"version\": \"" BK_VERSION "\"},\n\"servers\": [{");
    put_pair(&b, "url", base);
    bk_buf_puts(&b, "}],\n\"paths\": {\n");
    put_paths(&b, site->groups, p);
    bk_buf_puts(&b, "},\n\"components\": {\"securitySchemes\": {\"bearer\": {\"type\": \"http\", "
                    "\"scheme\": \"bearer\"}},\n\"schemas\": {\n");
    put_components(&b, &bk_shape_error, false, seen);
    for (size_t i = 0; i < bk_routes_count; i++) {
        if (site->groups & (1u << bk_routes[i].group)) {
            put_components(&b, bk_routes[i].body, false, seen);
            put_components(&b, bk_routes[i].answer, true, seen);
        }
    }
    bk_buf_puts(&b, "}}}\n");
    return b.s;
}
