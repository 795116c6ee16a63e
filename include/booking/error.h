/* Errors as values.
 *
 * A function that can fail returns `bk_err_t *`, NULL meaning fine. An error carries a code (a
 * row of errors.def), what to tell the client, and what to tell the log; it lives in the pool
 * of whoever asked. Neither text ever holds personal data, secrets or row values.
 * Immutable once returned; usable from the thread that made it.
 */
#ifndef BOOKING_ERROR_H
#define BOOKING_ERROR_H

#include <stdbool.h>

#include <apr_pools.h>
#include <apr_tables.h>

typedef enum {
#define BK_ERROR(name, status, level, message) BK_E_##name,
#include "booking/errors.def"
#undef BK_ERROR
    BK_E_COUNT
} bk_code_t;

typedef enum { BK_LOG_ERROR, BK_LOG_WARNING, BK_LOG_INFO, BK_LOG_DEBUG } bk_log_level_t;

/* One thing wrong with one field of a request. */
typedef struct {
    const char *field; /* dotted path, such as "videoMeetingConfig.platform" */
    const char *issue; /* what is wrong with it, for a person */
} bk_field_issue_t;

typedef struct bk_err_t {
    bk_code_t code;
    const char *message;         /* public; NULL: the table's */
    const char *detail;          /* for the log; NULL: nothing to add */
    apr_array_header_t *issues;  /* of bk_field_issue_t; NULL: none */
    int status;                  /* HTTP status where Apache decided on it; 0: the table's */
    int retry_after;             /* seconds; 0: none */
    const char *allow;           /* METHOD_NOT_ALLOWED: the Allow header */
    const char *sqlstate;        /* errors of the database: five characters, else NULL */
    const char *constraint;      /* ... and the constraint, where one was violated */
} bk_err_t;

/* Returns early with the error of *expr*, if there is one. */
#define BK_TRY(expr)                     \
    do {                                 \
        bk_err_t *bk_try_err_ = (expr);  \
        if (bk_try_err_) {               \
            return bk_try_err_;          \
        }                                \
    } while (0)

/* An error with the table's public message. *detail* (NULL or printf format) is for the log. */
bk_err_t *bk_err_make(bk_code_t code, apr_pool_t *p, const char *detail, ...)
    __attribute__((format(printf, 3, 4)));

/* An error with a public message of its own (a literal or pool string). */
bk_err_t *bk_err_public(bk_code_t code, const char *message, apr_pool_t *p);

/* An error of one field. */
bk_err_t *bk_err_field(bk_code_t code, const char *field, const char *issue, apr_pool_t *p);

/* Adds a field's issue to *err*, or to a new VALIDATION_FAILED when *err* is NULL; returns it.
 * *issue* is a printf format. */
bk_err_t *bk_err_add(bk_err_t *err, apr_pool_t *p, const char *field, const char *issue, ...)
    __attribute__((format(printf, 4, 5)));

/* Whether *err* (may be NULL) says something of that field. */
bool bk_err_mentions(const bk_err_t *err, const char *field);

/* The same, unless *err* already says something of that field. */
bk_err_t *bk_err_add_once(bk_err_t *err, apr_pool_t *p, const char *field, const char *issue);

int bk_err_status(bk_code_t code);             /* HTTP status */
const char *bk_err_name(bk_code_t code);       /* "SLOT_TAKEN" */
const char *bk_err_message(const bk_err_t *e); /* never NULL */
bk_log_level_t bk_err_level(bk_code_t code);

/* The code that stands for an HTTP status Apache itself decided on. */
bk_code_t bk_err_from_status(int status);

/* The library's only way to write a log line: the host (httpd or a command) sets the writer
 * once, before threads start; without one, lines go to stderr. */
typedef void bk_log_fn(bk_log_level_t level, const char *line);
void bk_log_use(bk_log_fn *fn);
void bk_log(bk_log_level_t level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
