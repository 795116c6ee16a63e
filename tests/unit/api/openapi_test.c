#include "../unit.h"

#include <ctype.h>

#include <jansson.h>

#include "../host.h"
#include "../../../src/api/route.h"

static json_t *description(unsigned groups)
{
    bk_site_t site = host_site();
    json_error_t at;
    json_t *root;

    site.groups = groups;
    root = json_loads(bk_openapi_text(&site, "/clinic/api", pool), JSON_REJECT_DUPLICATES, &at);
    if (!root) {
        fail_msg("line %d, column %d: %s", at.line, at.column, at.text);
    }
    return root;
}

static json_t *at(const json_t *root, const char *a, const char *b, const char *c)
{
    json_t *v = json_object_get(root, a);

    v = b ? json_object_get(v, b) : v;
    return c ? json_object_get(v, c) : v;
}

static json_t *operation_of(const json_t *root, const bk_route_t *route)
{
    char *method = apr_pstrdup(pool, route->method);

    for (char *c = method; *c; c++) {
        *c = (char)tolower((unsigned char)*c);
    }
    return at(root, "paths", route->template, method);
}

/* --- operations --------------------------------------------------------------------- */

/* How often a parameter of that name and place is described. */
static int parameters(const json_t *operation, const char *in, const char *name)
{
    const json_t *list = json_object_get(operation, "parameters");
    int n = 0;

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *it = json_array_get(list, i);
        n += strcmp(json_string_value(json_object_get(it, "in")), in) == 0 &&
             strcmp(json_string_value(json_object_get(it, "name")), name) == 0;
    }
    return n;
}

static void expect_parameters(const json_t *operation, const bk_route_t *route)
{
    for (const char *c = strchr(route->template, '{'); c; c = strchr(c + 1, '{')) {
        const char *name = apr_pstrmemdup(pool, c + 1, strcspn(c + 1, "}"));
        assert_int_equal(parameters(operation, "path", name), 1);
    }
    for (size_t i = 0; i < route->query->n; i++) {
        assert_int_equal(parameters(operation, "query", route->query->fields[i].name), 1);
    }
    assert_int_equal(parameters(operation, "header", "Idempotency-Key"),
                     (route->flags & BK_ROUTE_WRITE) != 0);
    assert_int_equal(parameters(operation, "query", "token"),
                     route->grants[BK_ROLE_ANONYMOUS] == BK_GRANT_TOKEN);
}

static const char *schema_of(const json_t *content)
{
    const json_t *json = json_object_get(json_object_get(content, "content"), "application/json");

    return json_string_value(at(json, "schema", "$ref", NULL));
}

static void expect_schema(const json_t *content, const bk_shape_t *shape)
{
    assert_string_equal(schema_of(content),
                        apr_pstrcat(pool, "#/components/schemas/", shape->name, NULL));
}

static void each_route(void **state)
{
    json_t *root = description(BK_GROUP_ALL);

    (void)state;
    for (size_t i = 0; i < bk_routes_count; i++) {
        const bk_route_t *route = &bk_routes[i];
        const json_t *operation = operation_of(root, route);
        const json_t *answer, *tags;
        if (!operation) {
            fail_msg("not described: %s %s", route->method, route->template);
        }
        assert_string_equal(json_string_value(json_object_get(operation, "summary")),
                            route->summary);
        tags = json_object_get(operation, "tags");
        assert_string_equal(json_string_value(json_array_get(tags, 0)),
                            bk_group_name(route->group));
        assert_int_equal(json_object_size(json_object_get(operation, "x-roles")), 4);
        expect_parameters(operation, route);
        if (route->body != &bk_shape_none) {
            expect_schema(json_object_get(operation, "requestBody"), route->body);
        }
        else {
            assert_null(json_object_get(operation, "requestBody"));
        }
        answer = at(operation, "responses", apr_itoa(pool, route->status), NULL);
        assert_non_null(answer);
        if (route->answer != &bk_shape_none) {
            expect_schema(answer, route->answer);
        }
        expect_schema(at(operation, "responses", "default", NULL), &bk_shape_error);
    }
    json_decref(root);
}

/* As many operations as rows: nothing is described that is not there. */
static void nothing_else(void **state)
{
    json_t *root = description(BK_GROUP_ALL), *methods;
    const char *path;
    size_t n = 0;

    (void)state;
    json_object_foreach(json_object_get(root, "paths"), path, methods) {
        n += json_object_size(methods);
    }
    assert_int_equal(n, bk_routes_count);
    json_decref(root);
}

static void operation_ids_differ(void **state)
{
    (void)state;
    for (size_t i = 0; i < bk_routes_count; i++) {
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(bk_routes[i].name, bk_routes[k].name);
        }
    }
}

/* --- schemas ------------------------------------------------------------------------ */

static size_t required_count(const bk_shape_t *shape)
{
    size_t n = 0;

    for (size_t i = 0; i < shape->n; i++) {
        n += (shape->fields[i].flags & BK_F_REQUIRED) != 0;
    }
    return n;
}

static void expect_component(const json_t *root, const bk_shape_t *shape)
{
    const json_t *component = at(root, "components", "schemas", shape->name), *properties;

    if (shape == &bk_shape_none) {
        return;
    }
    if (!component) {
        fail_msg("no schema %s", shape->name);
    }
    properties = json_object_get(component, "properties");
    assert_int_equal(json_object_size(properties), shape->n);
    assert_int_equal(json_array_size(json_object_get(component, "required")),
                     required_count(shape));
    for (size_t i = 0; i < shape->n; i++) {
        const json_t *property = json_object_get(properties, shape->fields[i].name);
        assert_non_null(property);
        assert_true(json_object_get(property, "type") || json_object_get(property, "allOf"));
        if (shape->fields[i].shape) {
            expect_component(root, shape->fields[i].shape);
        }
    }
}

static void each_shape(void **state)
{
    json_t *root = description(BK_GROUP_ALL);

    (void)state;
    for (size_t i = 0; i < bk_routes_count; i++) {
        expect_component(root, bk_routes[i].body);
        expect_component(root, bk_routes[i].answer);
    }
    expect_component(root, &bk_shape_error);
    json_decref(root);
}

/* Each name stands for one shape, or the second would be described as the first. */
static void shape_names_differ(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * bk_routes_count; i++) {
        const bk_shape_t *a = i % 2 ? bk_routes[i / 2].body : bk_routes[i / 2].answer;
        for (size_t k = 0; k < i; k++) {
            const bk_shape_t *b = k % 2 ? bk_routes[k / 2].body : bk_routes[k / 2].answer;
            assert_int_equal(strcmp(a->name, b->name) == 0, a == b);
        }
    }
}

/* Every reference below *v* leads somewhere. */
static void expect_references(const json_t *root, json_t *v)
{
    static const char prefix[] = "#/components/schemas/";
    const char *key;
    json_t *child;
    size_t i;

    json_object_foreach(v, key, child) {
        if (strcmp(key, "$ref") == 0) {
            const char *to = json_string_value(child);
            assert_memory_equal(to, prefix, sizeof(prefix) - 1);
            assert_non_null(at(root, "components", "schemas", to + sizeof(prefix) - 1));
        }
        expect_references(root, child);
    }
    json_array_foreach(v, i, child) {
        expect_references(root, child);
    }
}

/* --- what is switched on ------------------------------------------------------------ */

static void groups(void **state)
{
    (void)state;
    for (unsigned on = 0; on <= BK_GROUP_ALL; on++) {
        json_t *root = description(on);
        for (size_t i = 0; i < bk_routes_count; i++) {
            bool there = operation_of(root, &bk_routes[i]) != NULL;
            assert_int_equal(there, (on >> bk_routes[i].group) & 1);
        }
        expect_references(root, root);
        json_decref(root);
        apr_pool_clear(pool);
    }
}

static void base(void **state)
{
    json_t *root = description(0);
    const json_t *server = json_array_get(json_object_get(root, "servers"), 0);

    (void)state;
    assert_string_equal(json_string_value(json_object_get(server, "url")), "/clinic/api");
    assert_int_equal(json_object_size(json_object_get(root, "paths")), 0);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(each_route), UNIT(nothing_else),       UNIT(operation_ids_differ),
        UNIT(each_shape), UNIT(shape_names_differ), UNIT(groups),
        UNIT(base),
    };

    unit_start();
    return unit_end(cmocka_run_group_tests(tests, NULL, NULL));
}
