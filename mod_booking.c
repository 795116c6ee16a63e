/* mod_booking: the module record and its hooks, nothing else. */
#include "src/httpd/glue.h"

static void register_hooks(apr_pool_t *p)
{
    bk_startup_hooks(p);
    bk_identity_hooks(p);
    bk_handler_hooks(p);
    bk_respond_hooks(p);
}

module AP_MODULE_DECLARE_DATA booking_module = {
    STANDARD20_MODULE_STUFF,
    bk_dir_create,
    bk_dir_merge,
    bk_server_create,
    bk_server_merge,
    bk_directives,
    register_hooks,
    AP_MODULE_FLAG_ALWAYS_MERGE /* each virtual host has its own database source */
};
