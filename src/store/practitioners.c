/* Practitioners. */
#include "booking/store.h"

#include <apr_strings.h>

#define COLUMNS                                                                                \
    "SELECT id, user_id, name, specialty, reviews, rating::text, price, image_url, badge,"     \
    "       education, degree, location_type, to_json(conditions)::text, bio,"                 \
    "       years_experience, approach, to_json(languages)::text,"                             \
    "       to_json(certifications)::text, availability, to_json(insurance_accepted)::text,"   \
    "       to_json(session_format)::text, email, preferred_video_platform, time_zone, active," \
    "       buffer_before_minutes, buffer_after_minutes, min_notice_minutes, horizon_days,"    \
    "       cancel_notice_hours FROM practitioners"
enum { P_ID, P_USER, P_NAME, P_SPECIALTY, P_REVIEWS, P_RATING, P_PRICE, P_IMAGE, P_BADGE,
       P_EDUCATION, P_DEGREE, P_LOCATION, P_CONDITIONS, P_BIO, P_YEARS, P_APPROACH, P_LANGUAGES,
       P_CERTIFICATIONS, P_AVAILABILITY, P_INSURANCE, P_FORMATS, P_EMAIL, P_VIDEO, P_ZONE,
       P_ACTIVE, P_BEFORE, P_AFTER, P_NOTICE, P_HORIZON, P_CANCEL };

static const bk_stmt_t practitioner_find = {"practitioner_find", COLUMNS " WHERE id = $1"};

static const bk_stmt_t practitioner_list = {
    "practitioner_list",
    COLUMNS
    " WHERE id > $1 AND (active OR $2)"
    "   AND ($3::text IS NULL OR $3 = ANY(languages)) AND ($4::text IS NULL OR specialty = $4)"
    " ORDER BY id LIMIT $5"};

static const bk_stmt_t practitioner_by_user = {
    "practitioner_by_user", "SELECT id FROM practitioners WHERE user_id = $1 AND active"};

/* JSON text of an array of strings to text[]. */
#define STRINGS(n) "(SELECT array_agg(e ORDER BY o) FROM" \
    " json_array_elements_text(" n "::json) WITH ORDINALITY AS t (e, o))"
#define STRINGS_OR(n, other) \
    "CASE WHEN " n "::text IS NULL THEN " other " ELSE coalesce(" STRINGS(n) ", '{}') END"

static const bk_stmt_t practitioner_insert = {
    "practitioner_insert",
    "INSERT INTO practitioners (name, user_id, specialty, price, image_url, badge, education,"
    "       degree, location_type, bio, years_experience, approach, availability, email,"
    "       preferred_video_platform, time_zone, active, buffer_before_minutes,"
    "       buffer_after_minutes, min_notice_minutes, horizon_days, cancel_notice_hours,"
    "       conditions, languages, certifications, insurance_accepted, session_format)"
    " VALUES ($2, $1, $3, $4, $5, $6, $7, $8, coalesce($9, 'online'), $10, coalesce($11, 0), $12,"
    "       coalesce($13, 'Weekdays 9am - 5pm'), $14, coalesce($15, 'zoom'), coalesce($16, 'UTC'),"
    "       coalesce($17, true), coalesce($18, 0), coalesce($19, 0), coalesce($20, 0),"
    "       coalesce($21, 365), coalesce($22, 0), " STRINGS_OR("$23", "'{}'") ","
    "       " STRINGS_OR("$24", "ARRAY['English']") ", " STRINGS_OR("$25", "'{}'") ","
    "       " STRINGS_OR("$26", "'{}'") ", " STRINGS_OR("$27", "'{}'") ")"
    " RETURNING id"};

static const bk_stmt_t practitioner_update = {
    "practitioner_update",
    "UPDATE practitioners SET user_id = coalesce($1, user_id), name = coalesce($2, name),"
    "       specialty = coalesce($3, specialty), price = coalesce($4, price),"
    "       image_url = coalesce($5, image_url), badge = coalesce($6, badge),"
    "       education = coalesce($7, education), degree = coalesce($8, degree),"
    "       location_type = coalesce($9, location_type), bio = coalesce($10, bio),"
    "       years_experience = coalesce($11, years_experience),"
    "       approach = coalesce($12, approach), availability = coalesce($13, availability),"
    "       email = coalesce($14, email),"
    "       preferred_video_platform = coalesce($15, preferred_video_platform),"
    "       time_zone = coalesce($16, time_zone), active = coalesce($17, active),"
    "       buffer_before_minutes = coalesce($18, buffer_before_minutes),"
    "       buffer_after_minutes = coalesce($19, buffer_after_minutes),"
    "       min_notice_minutes = coalesce($20, min_notice_minutes),"
    "       horizon_days = coalesce($21, horizon_days),"
    "       cancel_notice_hours = coalesce($22, cancel_notice_hours),"
    "       conditions = " STRINGS_OR("$23", "conditions") ","
    "       languages = " STRINGS_OR("$24", "languages") ","
    "       certifications = " STRINGS_OR("$25", "certifications") ","
    "       insurance_accepted = " STRINGS_OR("$26", "insurance_accepted") ","
    "       session_format = " STRINGS_OR("$27", "session_format")
    " WHERE id = $28 RETURNING id"};

static bk_num_t cell_num(const bk_rows_t *rows, int r, int col)
{
    return bk_cell_null(rows, r, col) ? (bk_num_t){0, false} : BK_NUM(bk_cell_int(rows, r, col));
}

static bk_practitioner_t *practitioner_decode(const bk_rows_t *rows, int r, apr_pool_t *p)
{
    bk_practitioner_t *pr = apr_pcalloc(p, sizeof(*pr));

    pr->id = cell_num(rows, r, P_ID);
    pr->user_id = bk_cell_text(rows, r, P_USER);
    pr->name = bk_cell_text(rows, r, P_NAME);
    pr->specialty = bk_cell_text(rows, r, P_SPECIALTY);
    pr->reviews = cell_num(rows, r, P_REVIEWS);
    pr->rating = bk_cell_text(rows, r, P_RATING);
    pr->price = cell_num(rows, r, P_PRICE);
    pr->image_url = bk_cell_text(rows, r, P_IMAGE);
    pr->badge = bk_cell_text(rows, r, P_BADGE);
    pr->education = bk_cell_text(rows, r, P_EDUCATION);
    pr->degree = bk_cell_text(rows, r, P_DEGREE);
    pr->location_type = bk_cell_text(rows, r, P_LOCATION);
    pr->conditions = bk_json_strings(bk_cell_text(rows, r, P_CONDITIONS), p);
    pr->bio = bk_cell_text(rows, r, P_BIO);
    pr->years_experience = cell_num(rows, r, P_YEARS);
    pr->approach = bk_cell_text(rows, r, P_APPROACH);
    pr->languages = bk_json_strings(bk_cell_text(rows, r, P_LANGUAGES), p);
    pr->certifications = bk_json_strings(bk_cell_text(rows, r, P_CERTIFICATIONS), p);
    pr->availability = bk_cell_text(rows, r, P_AVAILABILITY);
    pr->insurance = bk_json_strings(bk_cell_text(rows, r, P_INSURANCE), p);
    pr->formats = bk_json_strings(bk_cell_text(rows, r, P_FORMATS), p);
    pr->email = bk_cell_text(rows, r, P_EMAIL);
    pr->video_platform = bk_cell_text(rows, r, P_VIDEO);
    pr->time_zone = bk_cell_text(rows, r, P_ZONE);
    pr->active = cell_num(rows, r, P_ACTIVE);
    pr->buffer_before = cell_num(rows, r, P_BEFORE);
    pr->buffer_after = cell_num(rows, r, P_AFTER);
    pr->min_notice = cell_num(rows, r, P_NOTICE);
    pr->horizon_days = cell_num(rows, r, P_HORIZON);
    pr->cancel_notice = cell_num(rows, r, P_CANCEL);
    return pr;
}

bk_err_t *bk_store_practitioner_find(bk_practitioner_t **out, bk_db_t *db, apr_int64_t id,
                                     apr_pool_t *p)
{
    bk_args_t a = {0};
    bk_rows_t *rows;

    bk_arg_int(&a, id);
    BK_TRY(bk_db_run(&rows, db, &practitioner_find, &a, p));
    *out = bk_rows_count(rows) ? practitioner_decode(rows, 0, p) : NULL;
    return NULL;
}

bk_err_t *bk_store_practitioner_list(apr_array_header_t **out, bk_db_t *db,
                                     const bk_practitioner_filter_t *f, apr_pool_t *p)
{
    bk_args_t a = {0};
    bk_rows_t *rows;

    bk_arg_int(&a, f->after_id);
    bk_arg_bool(&a, f->include_inactive);
    bk_arg_text(&a, f->language);
    bk_arg_text(&a, f->specialty);
    bk_arg_int(&a, f->limit);
    BK_TRY(bk_db_run(&rows, db, &practitioner_list, &a, p));
    *out = apr_array_make(p, bk_rows_count(rows), sizeof(bk_practitioner_t *));
    for (int r = 0; r < bk_rows_count(rows); r++) {
        APR_ARRAY_PUSH(*out, bk_practitioner_t *) = practitioner_decode(rows, r, p);
    }
    return NULL;
}

bk_err_t *bk_store_practitioner_by_user(apr_int64_t *id, bk_db_t *db, const char *user_id,
                                        apr_pool_t *p)
{
    bk_args_t a = {0};
    bk_rows_t *rows;

    bk_arg_text(&a, user_id);
    BK_TRY(bk_db_run(&rows, db, &practitioner_by_user, &a, p));
    *id = bk_rows_count(rows) ? bk_cell_int(rows, 0, 0) : 0;
    return NULL;
}

static void arg_int4(bk_args_t *a, bk_num_t n)
{
    n.set ? bk_arg_int4(a, (int)n.v) : bk_arg_null_int4(a);
}

static void arg_bool(bk_args_t *a, bk_num_t n)
{
    n.set ? bk_arg_bool(a, n.v != 0) : bk_arg_null_bool(a);
}

static void arg_strings(bk_args_t *a, const apr_array_header_t *list, apr_pool_t *p)
{
    bk_arg_text(a, list ? bk_json_from_strings(list, p) : NULL);
}

/* $1 to $27 of insert and update alike. */
static void arg_practitioner(bk_args_t *a, const bk_practitioner_t *in, apr_pool_t *p)
{
    bk_arg_text(a, in->user_id);
    bk_arg_text(a, in->name);
    bk_arg_text(a, in->specialty);
    arg_int4(a, in->price);
    bk_arg_text(a, in->image_url);
    bk_arg_text(a, in->badge);
    bk_arg_text(a, in->education);
    bk_arg_text(a, in->degree);
    bk_arg_text(a, in->location_type);
    bk_arg_text(a, in->bio);
    arg_int4(a, in->years_experience);
    bk_arg_text(a, in->approach);
    bk_arg_text(a, in->availability);
    bk_arg_text(a, in->email);
    bk_arg_text(a, in->video_platform);
    bk_arg_text(a, in->time_zone);
    arg_bool(a, in->active);
    arg_int4(a, in->buffer_before);
    arg_int4(a, in->buffer_after);
    arg_int4(a, in->min_notice);
    arg_int4(a, in->horizon_days);
    arg_int4(a, in->cancel_notice);
    arg_strings(a, in->conditions, p);
    arg_strings(a, in->languages, p);
    arg_strings(a, in->certifications, p);
    arg_strings(a, in->insurance, p);
    arg_strings(a, in->formats, p);
}

bk_err_t *bk_store_practitioner_insert(apr_int64_t *id, bk_db_t *db, const bk_practitioner_t *in,
                                       apr_pool_t *p)
{
    bk_args_t a = {0};
    bk_rows_t *rows;

    arg_practitioner(&a, in, p);
    BK_TRY(bk_db_run(&rows, db, &practitioner_insert, &a, p));
    *id = bk_cell_int(rows, 0, 0);
    return NULL;
}

bk_err_t *bk_store_practitioner_update(bool *found, bk_db_t *db, const bk_practitioner_t *in,
                                       apr_pool_t *p)
{
    bk_args_t a = {0};
    bk_rows_t *rows;

    arg_practitioner(&a, in, p);
    bk_arg_int(&a, in->id.v);
    BK_TRY(bk_db_run(&rows, db, &practitioner_update, &a, p));
    *found = bk_rows_count(rows) == 1;
    return NULL;
}
