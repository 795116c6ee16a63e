/* Between the two files that know libpq: results, as db.c gets them and db_values.c reads them. */
#ifndef BASE_DB_VALUES_H
#define BASE_DB_VALUES_H

#include <libpq-fe.h>

#include "booking/db.h"

/* *res* as rows; whoever runs the statement sees to its end. */
bk_rows_t *bk_rows_wrap(PGresult *res, apr_pool_t *p);

#endif
