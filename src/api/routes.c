/* The route table, made of routes.def. */
#include "route.h"

#include <strings.h>

#define BK_ROUTE(method, template, group, a, c, t, ad, flags, query, body, answer, status, \
                 handler, summary)                                                         \
    extern const bk_shape_t bk_shape_##query, bk_shape_##body, bk_shape_##answer;          \
    bk_handler_t bk_handle_##handler;
#include "routes.def"
#undef BK_ROUTE

#define BK_ROUTE(method, template, group, a, c, t, ad, flags, query, body, answer, status, \
                 handler, summary)                                                         \
    {#method, template, BK_GROUP_##group,                                                  \
     {BK_GRANT_##a, BK_GRANT_##c, BK_GRANT_##t, BK_GRANT_##ad}, flags, &bk_shape_##query,  \
     &bk_shape_##body, &bk_shape_##answer, status, bk_handle_##handler, #handler, \
     summary},
const bk_route_t bk_routes[] = {
#include "routes.def"
};
#undef BK_ROUTE

const size_t bk_routes_count = sizeof(bk_routes) / sizeof(bk_routes[0]);

static const struct {
    const char *name;
} groups[] = {
#define BK_GROUP(name, doc) {#name},
#include "booking/groups.def"
#undef BK_GROUP
};

int bk_group_find(const char *name)
{
    for (int i = 0; i < BK_GROUP_COUNT; i++) {
        if (strcasecmp(groups[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

const char *bk_group_name(bk_group_t group)
{
    return groups[group].name;
}
