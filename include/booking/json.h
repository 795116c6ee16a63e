/* Shapes: what a JSON object looks like, said once.
 *
 * A shape is a table of fields, each tied to a member of a C struct. The same table reads a
 * request body or query into the struct, naming every mistake at once, writes a struct as an
 * answer, and becomes a schema in the OpenAPI description. jansson is named in json.c alone.
 *
 * Shapes are static and constant. Decoded strings live in the pool given.
 */
#ifndef BOOKING_JSON_H
#define BOOKING_JSON_H

#include <stddef.h>

#include "booking/error.h"
#include "booking/text.h"

/* The C member of every numeric kind (INT, BOOL, DATE, TIME, HOUR, INSTANT, ID). */
typedef struct {
    apr_int64_t v;
    bool set;
} bk_num_t;

#define BK_NUM(value) ((bk_num_t){(value), true})

typedef enum {
    BK_F_STRING,  /* const char *; min..max code points */
    BK_F_EMAIL,   /* const char * */
    BK_F_ENUM,    /* const char *; one of `choices` */
    BK_F_INT,     /* bk_num_t; min..max */
    BK_F_BOOL,    /* bk_num_t */
    BK_F_DATE,    /* bk_num_t holding a bk_date_t; "2026-10-25" */
    BK_F_TIME,    /* bk_num_t, seconds since midnight; "14:00:00", also "14:00" and "02:00 PM" */
    BK_F_HOUR,    /* bk_num_t, seconds since midnight; written "14:00"; "24:00" is allowed */
    BK_F_INSTANT, /* bk_num_t holding a bk_time_t; read with any offset, written in UTC */
    BK_F_ID,      /* bk_num_t; a number, or a string with or without the prefix in `format` */
    BK_F_NUMBER,  /* const char *, answers only: a number as the database wrote it */
    BK_F_STRINGS, /* apr_array_header_t * of const char *; at most max, each min 1 long */
    BK_F_OBJECT,  /* const struct *; `shape` */
    BK_F_LIST     /* apr_array_header_t * of const struct *, answers only; `shape` */
} bk_field_kind_t;

enum {
    BK_F_REQUIRED = 1,  /* a request without it is refused */
    BK_F_MULTILINE = 2, /* line breaks and tabs are allowed */
    BK_F_OMIT = 4,      /* an answer leaves it out when it is not set, instead of null */
    BK_F_NONEMPTY = 8   /* a present string is not empty or blank */
};

typedef struct bk_shape_t bk_shape_t;

typedef struct {
    const char *name;
    bk_field_kind_t kind;
    unsigned flags;
    size_t offset;
    apr_int64_t min, max;
    const char *format;          /* OpenAPI format of a string ("date-time"); prefix of an ID */
    const char *const *choices;  /* NULL-terminated */
    const bk_shape_t *shape;
    const char *doc;
} bk_field_t;

/* What no single field can tell: looks at the whole struct and adds what is wrong to *e* (NULL or
 * a VALIDATION_FAILED), with bk_err_add_once, since a field that could not be read is not set.
 * *baton* is whatever the reader of the body handed on. */
typedef bk_err_t *bk_shape_check_t(bk_err_t *e, const void *in, const void *baton, apr_pool_t *p);

struct bk_shape_t {
    const char *name; /* of the OpenAPI component */
    size_t size;      /* of the struct */
    const bk_field_t *fields;
    size_t n;
    bk_shape_check_t *check; /* NULL: the fields say all */
};

/* Defines `const bk_shape_t bk_shape_<id>` over a static table `<id>_fields` of *type*. */
#define BK_SHAPE(id, schema_name, type)                                   \
    const bk_shape_t bk_shape_##id = {schema_name, sizeof(type), id##_fields, \
                                      sizeof(id##_fields) / sizeof(id##_fields[0]), NULL}

/* The same with a check of the whole. */
#define BK_SHAPE_CHECKED(id, schema_name, type, check_fn)                       \
    const bk_shape_t bk_shape_##id = {schema_name, sizeof(type), id##_fields,   \
                                      sizeof(id##_fields) / sizeof(id##_fields[0]), check_fn}

/* Reads a JSON object. An empty body is an empty object. On success *out is a zeroed struct with
 * what was given filled in; null means absent; unknown members are ignored. MALFORMED_JSON
 * (with line and column), or VALIDATION_FAILED with an issue for each broken field. */
bk_err_t *bk_json_decode(void **out, const bk_shape_t *shape, const char *body, size_t len,
                         apr_pool_t *p);

/* Reads a query string ("a=1&b=2", may be NULL) likewise. A field given twice is a mistake. */
bk_err_t *bk_query_decode(void **out, const bk_shape_t *shape, const char *query, apr_pool_t *p);

/* Writes the struct at *in* as a JSON object. */
void bk_json_encode(bk_buf_t *out, const bk_shape_t *shape, const void *in);

/* The array of strings in a JSON text as PostgreSQL's to_json writes it. Never NULL. */
apr_array_header_t *bk_json_strings(const char *json, apr_pool_t *p);

/* The JSON text of an array of strings. */
const char *bk_json_from_strings(const apr_array_header_t *strings, apr_pool_t *p);

/* Whether *s* can be an e-mail address (RFC 5321 lengths, one "@", a dotted domain). */
bool bk_email_valid(const char *s);

#endif
