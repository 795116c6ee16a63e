/* Structs to JSON, by their shapes. */
#include "booking/json.h"

#include "booking/time.h"

#define CONST_MEMBER(base, field, type) \
    ((type const *)(const void *)((const char *)(base) + (field)->offset))

static void write_number(bk_buf_t *out, const bk_field_t *f, apr_int64_t v)
{
    char text[BK_INSTANT_BUF];

    switch (f->kind) {
    case BK_F_BOOL:
        bk_buf_puts(out, v ? "true" : "false");
        return;
    case BK_F_DATE:
        bk_date_format((bk_date_t)v, text);
        break;
    case BK_F_TIME:
        bk_tod_format((int)v, text);
        break;
    case BK_F_HOUR:
        bk_tod_format((int)v, text);
        text[5] = '\0';
        break;
    case BK_F_INSTANT:
        bk_utc_format(v, text);
        break;
    default:
        bk_buf_int(out, v);
        return;
    }
    bk_buf_putc(out, '"');
    bk_buf_puts(out, text);
    bk_buf_putc(out, '"');
}

static void write_strings(bk_buf_t *out, const apr_array_header_t *list)
{
    bk_buf_putc(out, '[');
    for (int i = 0; i < list->nelts; i++) {
        if (i) {
            bk_buf_add(out, ", ", 2);
        }
        bk_buf_json(out, APR_ARRAY_IDX(list, i, const char *));
    }
    bk_buf_putc(out, ']');
}

static void write_list(bk_buf_t *out, const bk_shape_t *shape, const apr_array_header_t *list)
{
    bk_buf_putc(out, '[');
    for (int i = 0; i < list->nelts; i++) {
        if (i) {
            bk_buf_add(out, ", ", 2);
        }
        bk_json_encode(out, shape, APR_ARRAY_IDX(list, i, const void *));
    }
    bk_buf_putc(out, ']');
}

static bool is_set(const bk_field_t *f, const void *in)
{
    switch (f->kind) {
    case BK_F_INT:
    case BK_F_BOOL:
    case BK_F_DATE:
    case BK_F_TIME:
    case BK_F_HOUR:
    case BK_F_INSTANT:
    case BK_F_ID:
        return CONST_MEMBER(in, f, bk_num_t)->set;
    default:
        return *CONST_MEMBER(in, f, const void *) != NULL;
    }
}

static void write_value(bk_buf_t *out, const bk_field_t *f, const void *in)
{
    switch (f->kind) {
    case BK_F_STRING:
    case BK_F_EMAIL:
    case BK_F_ENUM:
        bk_buf_json(out, *CONST_MEMBER(in, f, const char *));
        break;
    case BK_F_NUMBER:
        bk_buf_puts(out, *CONST_MEMBER(in, f, const char *));
        break;
    case BK_F_STRINGS:
        write_strings(out, *CONST_MEMBER(in, f, apr_array_header_t *));
        break;
    case BK_F_OBJECT:
        bk_json_encode(out, f->shape, *CONST_MEMBER(in, f, const void *));
        break;
    case BK_F_LIST:
        write_list(out, f->shape, *CONST_MEMBER(in, f, apr_array_header_t *));
        break;
    default:
        write_number(out, f, CONST_MEMBER(in, f, bk_num_t)->v);
    }
}

void bk_json_encode(bk_buf_t *out, const bk_shape_t *shape, const void *in)
{
    const char *separator = "";

    bk_buf_putc(out, '{');
    for (size_t i = 0; i < shape->n; i++) {
        const bk_field_t *f = &shape->fields[i];
        bool set = is_set(f, in);

        if (!set && (f->flags & BK_F_OMIT)) {
            continue;
        }
        bk_buf_puts(out, separator);
        separator = ", ";
        bk_buf_putc(out, '"');
        bk_buf_puts(out, f->name);
        bk_buf_add(out, "\": ", 3);
        if (set) {
            write_value(out, f, in);
        }
        else {
            bk_buf_add(out, "null", 4);
        }
    }
    bk_buf_putc(out, '}');
}

const char *bk_json_from_strings(const apr_array_header_t *strings, apr_pool_t *p)
{
    bk_buf_t out;

    bk_buf_init(&out, 64, p);
    write_strings(&out, strings);
    return out.s;
}
