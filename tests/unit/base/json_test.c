#include "../unit.h"

#include <stdio.h>

#include "booking/json.h"
#include "booking/time.h"

/* --- shapes of every kind ----------------------------------------------------------- */

typedef struct {
    const char *street;
    bk_num_t number;
} inner_t;

typedef struct {
    const char *name, *note, *blank, *email, *colour, *rating;
    bk_num_t count, any, yes, date, time, hour, at, id;
    apr_array_header_t *tags, *rows;
    const inner_t *inner;
} all_t;

static const char *const colours[] = {"red", "green", NULL};

static const bk_field_t inner_fields[] = {
    {.name = "street", .kind = BK_F_STRING, .flags = BK_F_REQUIRED, .max = 10,
     .offset = offsetof(inner_t, street)},
    {.name = "number", .kind = BK_F_INT, .min = 1, .max = 99, .offset = offsetof(inner_t, number)},
};
static BK_SHAPE(inner, "Inner", inner_t);

static const bk_field_t all_fields[] = {
    {.name = "name", .kind = BK_F_STRING, .min = 2, .max = 5, .offset = offsetof(all_t, name)},
    {.name = "note", .kind = BK_F_STRING, .flags = BK_F_MULTILINE, .max = 20,
     .offset = offsetof(all_t, note)},
    {.name = "blank", .kind = BK_F_STRING, .flags = BK_F_NONEMPTY | BK_F_OMIT,
     .offset = offsetof(all_t, blank)},
    {.name = "email", .kind = BK_F_EMAIL, .offset = offsetof(all_t, email)},
    {.name = "colour", .kind = BK_F_ENUM, .choices = colours, .offset = offsetof(all_t, colour)},
    {.name = "count", .kind = BK_F_INT, .min = -5, .max = 5, .offset = offsetof(all_t, count)},
    {.name = "any", .kind = BK_F_INT, .offset = offsetof(all_t, any)},
    {.name = "yes", .kind = BK_F_BOOL, .offset = offsetof(all_t, yes)},
    {.name = "date", .kind = BK_F_DATE, .offset = offsetof(all_t, date)},
    {.name = "time", .kind = BK_F_TIME, .offset = offsetof(all_t, time)},
    {.name = "hour", .kind = BK_F_HOUR, .offset = offsetof(all_t, hour)},
    {.name = "at", .kind = BK_F_INSTANT, .offset = offsetof(all_t, at)},
    {.name = "id", .kind = BK_F_ID, .format = "visit", .offset = offsetof(all_t, id)},
    {.name = "tags", .kind = BK_F_STRINGS, .max = 3, .offset = offsetof(all_t, tags)},
    {.name = "inner", .kind = BK_F_OBJECT, .shape = &bk_shape_inner,
     .offset = offsetof(all_t, inner)},
};
static BK_SHAPE(all, "All", all_t);

static const all_t *decode(const char *body)
{
    void *out;
    bk_err_t *e = bk_json_decode(&out, &bk_shape_all, body, strlen(body), pool);

    if (e) {
        fail_msg("%s: %s", body, APR_ARRAY_IDX(e->issues, 0, bk_field_issue_t).issue);
    }
    return out;
}

static bk_err_t *decode_wrong(const char *body, size_t len)
{
    void *out;
    bk_err_t *e = bk_json_decode(&out, &bk_shape_all, body, len, pool);

    if (!e) {
        fail_msg("read without a mistake: %s", body);
    }
    return e;
}

/* One mistake, in *field*, whose words begin with *issue*. */
static void mistaken(const char *body, const char *field, const char *issue)
{
    bk_err_t *e = decode_wrong(body, strlen(body));
    const bk_field_issue_t *it = &APR_ARRAY_IDX(e->issues, 0, bk_field_issue_t);

    assert_int_equal(e->code, BK_E_VALIDATION_FAILED);
    if (e->issues->nelts != 1 || strcmp(it->field, field) != 0 ||
        strncmp(it->issue, issue, strlen(issue)) != 0) {
        fail_msg("%s: %d issues, %s %s", body, e->issues->nelts, it->field, it->issue);
    }
}

/* --- values ------------------------------------------------------------------------- */

static void texts(void **state)
{
    const all_t *in = decode("{\"name\": \"L\\u00f6we\", \"note\": \"a\\nb\\r\\n\\tc\", \"email\": "
                             "\"ada@example.org\", \"colour\": \"green\"}");

    (void)state;
    assert_string_equal(in->name, "L\xc3\xb6we");
    assert_string_equal(in->note, "a\nb\r\n\tc");
    assert_string_equal(in->email, "ada@example.org");
    assert_ptr_equal(in->colour, colours[1]);
    /* Characters are counted, not bytes. */
    assert_string_equal(decode("{\"name\": \"\xf0\x9f\xa6\x81\xf0\x9f\xa6\x81\"}")->name,
                        "\xf0\x9f\xa6\x81\xf0\x9f\xa6\x81");
}

static void numbers(void **state)
{
    const all_t *in = decode("{\"count\": -5, \"any\": -9223372036854775808, \"yes\": true}");

    (void)state;
    assert_true(in->count.set && in->any.set && in->yes.set);
    assert_int_equal(in->count.v, -5);
    assert_int_equal(in->any.v, APR_INT64_MIN);
    assert_int_equal(in->yes.v, 1);
    in = decode("{\"count\": 0, \"yes\": false}");
    assert_true(in->count.set && in->yes.set);
    assert_int_equal(in->count.v + in->yes.v, 0);
}

static void times(void **state)
{
    static const struct {
        const char *text;
        int tod;
    } same[] = {{"14:00:00", 50400}, {"14:00", 50400},   {"02:00 PM", 50400}, {"2:00 pm", 50400},
                {"12:00 AM", 0},     {"12:30 PM", 45000}, {"1:05 AM", 3900},  {"00:00", 0},
                {"23:59:59", 86399}, {"12:59 am", 3540},  {"11:59 PM", 86340}};
    const all_t *in = decode("{\"date\": \"2026-10-25\", \"hour\": \"24:00\", "
                             "\"at\": \"2026-10-25T09:00:00.5+01:00\"}");

    (void)state;
    assert_int_equal(in->date.v, bk_date_make(2026, 10, 25));
    assert_int_equal(in->hour.v, 86400);
    assert_int_equal(in->at.v, (bk_time_t)in->date.v * BK_DAY_S + 8 * 3600);
    assert_int_equal(decode("{\"hour\": \"09:30:00\"}")->hour.v, 34200);
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        in = decode(apr_psprintf(pool, "{\"time\": \"%s\"}", same[i].text));
        assert_int_equal(in->time.v, same[i].tod);
    }
}

static void ids(void **state)
{
    (void)state;
    assert_int_equal(decode("{\"id\": 456}")->id.v, 456);
    assert_int_equal(decode("{\"id\": \"456\"}")->id.v, 456);
    assert_int_equal(decode("{\"id\": \"visit_456\"}")->id.v, 456);
}

static void containers(void **state)
{
    const all_t *in = decode("{\"tags\": [\"a\", \"b\"], \"inner\": {\"street\": \"Main\"}}");

    (void)state;
    assert_int_equal(in->tags->nelts, 2);
    assert_string_equal(APR_ARRAY_IDX(in->tags, 1, const char *), "b");
    assert_string_equal(in->inner->street, "Main");
    assert_false(in->inner->number.set);
    assert_int_equal(decode("{\"tags\": []}")->tags->nelts, 0);
}

static void absent(void **state)
{
    static const char *const bodies[] = {"", "{}", " {} \n", "{\"name\": null, \"inner\": null}",
                                         "{\"unknown\": {\"deep\": [1, 2.5, {}]}}"};
    static const all_t nothing;

    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        assert_memory_equal(decode(bodies[i]), &nothing, sizeof(nothing));
    }
}

/* --- mistakes ----------------------------------------------------------------------- */

static void texts_wrong(void **state)
{
    (void)state;
    mistaken("{\"name\": \"a\"}", "name", "must have 2 to 5 characters");
    mistaken("{\"name\": \"abcdef\"}", "name", "must have 2 to 5 characters");
    mistaken("{\"name\": 5}", "name", "must be a string");
    mistaken("{\"name\": [\"ab\"]}", "name", "must be a string");
    mistaken("{\"name\": \"a\\nb\"}", "name", "must not contain control");
    mistaken("{\"name\": \"a\\u007fb\"}", "name", "must not contain control");
    mistaken("{\"note\": \"a\\u000bb\"}", "note", "must not contain control");
    mistaken("{\"note\": \"123456789012345678901\"}", "note", "must have at most 20 characters");
    mistaken("{\"blank\": \"\"}", "blank", "must not be empty");
    mistaken("{\"blank\": \" \"}", "blank", "must not be empty");
    mistaken("{\"email\": \"ada\"}", "email", "must be an e-mail address");
    mistaken("{\"email\": false}", "email", "must be a string");
    mistaken("{\"colour\": \"blue\"}", "colour", "must be one of red, green");
    mistaken("{\"colour\": \"Red\"}", "colour", "must be one of red, green");
    mistaken("{\"colour\": 1}", "colour", "must be a string");
}

static void numbers_wrong(void **state)
{
    (void)state;
    mistaken("{\"count\": 6}", "count", "must be a whole number from -5 to 5");
    mistaken("{\"count\": -6}", "count", "must be a whole number from -5 to 5");
    mistaken("{\"count\": 1.0}", "count", "must be a whole number");
    mistaken("{\"count\": 1e2}", "count", "must be a whole number");
    mistaken("{\"count\": \"1\"}", "count", "must be a whole number");
    mistaken("{\"count\": true}", "count", "must be a whole number");
    mistaken("{\"yes\": 1}", "yes", "must be true or false");
    mistaken("{\"yes\": \"true\"}", "yes", "must be true or false");
    mistaken("{\"id\": 0}", "id", "must be an id");
    mistaken("{\"id\": -3}", "id", "must be an id");
    mistaken("{\"id\": 4.5}", "id", "must be an id");
    mistaken("{\"id\": \"other_456\"}", "id", "must be an id");
    mistaken("{\"id\": {}}", "id", "must be an id");
}

static void times_wrong(void **state)
{
    static const char *const no_times[] = {"", "2pm", "13:00 PM", "0:30 AM", "00:30 AM", "24:00",
                                           "14:60", "2:00  PM", "02:00 XM", "14:00:60", "02:00PM"};

    (void)state;
    mistaken("{\"date\": \"2026-02-29\"}", "date", "must be a date that exists");
    mistaken("{\"date\": \"25.10.2026\"}", "date", "must be a date that exists");
    mistaken("{\"date\": 20261025}", "date", "must be a string");
    mistaken("{\"hour\": \"24:01\"}", "hour", "must be a time of day, as HH:MM, at most");
    mistaken("{\"hour\": \"09:30:01\"}", "hour", "must be a time of day, as HH:MM, at most");
    mistaken("{\"hour\": \"02:00 PM\"}", "hour", "must be a time of day, as HH:MM, at most");
    mistaken("{\"at\": \"2026-10-25T09:00:00\"}", "at", "must be an instant with offset");
    mistaken("{\"at\": \"2026-10-25\"}", "at", "must be an instant with offset");
    mistaken("{\"at\": 1793000000}", "at", "must be a string");
    for (size_t i = 0; i < sizeof(no_times) / sizeof(no_times[0]); i++) {
        mistaken(apr_psprintf(pool, "{\"time\": \"%s\"}", no_times[i]), "time",
                 "must be a time of day");
    }
}

static void containers_wrong(void **state)
{
    (void)state;
    mistaken("{\"tags\": \"a\"}", "tags", "must be an array of at most 3 strings");
    mistaken("{\"tags\": [\"a\",\"b\",\"c\",\"d\"]}", "tags", "must be an array of at most 3");
    mistaken("{\"tags\": [\"a\", 1]}", "tags", "must hold strings of 1 to 200");
    mistaken("{\"tags\": [\"a\", null]}", "tags", "must hold strings of 1 to 200");
    mistaken("{\"tags\": [\" \"]}", "tags", "must hold strings of 1 to 200");
    mistaken("{\"tags\": [\"a\\nb\"]}", "tags", "must hold strings of 1 to 200");
    mistaken("{\"inner\": []}", "inner", "must be an object");
    mistaken("{\"inner\": {}}", "inner.street", "is required");
    mistaken("{\"inner\": {\"street\": null}}", "inner.street", "is required");
    mistaken("{\"inner\": {\"street\": \"\"}}", "inner.street", "must not be empty");
    mistaken("{\"inner\": {\"street\": \"a\", \"number\": 100}}", "inner.number",
             "must be a whole number from 1 to 99");
    mistaken("[]", "body", "must be a JSON object");
    mistaken("null", "body", "must be a JSON object");
    mistaken("\"{}\"", "body", "must be a JSON object");
    mistaken("7", "body", "must be a JSON object");
}

/* In the order of the table, whatever the order of the members. */
static void all_at_once(void **state)
{
    static const char body[] = "{\"inner\": {\"number\": 0}, \"id\": 0, \"name\": \"\", \"date\": "
                               "\"x\", \"tags\": 1, \"email\": \"\", \"yes\": 2}";
    static const char *const fields[] = {"name", "email", "yes", "date", "id", "tags",
                                         "inner.street", "inner.number"};
    bk_err_t *e = decode_wrong(body, strlen(body));

    (void)state;
    assert_int_equal(e->issues->nelts, sizeof(fields) / sizeof(fields[0]));
    for (int i = 0; i < e->issues->nelts; i++) {
        assert_string_equal(APR_ARRAY_IDX(e->issues, i, bk_field_issue_t).field, fields[i]);
    }
}

/* --- not JSON at all ---------------------------------------------------------------- */

static void malformed(void **state)
{
    static const struct {
        const char *body;
        int line;
        const char *words;
    } bad[] = {
        {"{", 1, "it ends too early"},
        {"{\"name\": ", 1, "it ends too early"},
        {"{\"name\": \"abc", 1, "it ends too early"},
        {"{\n\"name\": tru\n}", 2, "it cannot be read here"},
        {"{'name': 1}", 1, "it cannot be read here"},
        {"{} x", 1, "it cannot be read here"},
        {"{\"count\": 01}", 1, "it cannot be read here"},
        {"{\"count\": NaN}", 1, "it cannot be read here"},
        {"{\"name\": \"a\nb\"}", 1, "it cannot be read here"},
        {"{\"name\": \"\\x\"}", 1, "it cannot be read here"},
        {"{\"name\": \"\\ud800\"}", 1, "it cannot be read here"},
        {"{\"name\": \"a\", \"name\": \"b\"}", 1, "a member is given twice"},
        {"{\"inner\": {\"street\": 1, \"street\": 2}}", 1, "a member is given twice"},
        {"{\"any\": 9223372036854775808}", 1, "a number is too large"},
        {"{\"any\": 1e999}", 1, "a number is too large"},
        {"{\"name\": \"\xff\"}", 1, "it is not UTF-8"},
        {"{\"name\": \"\xed\xa0\x80\"}", 1, "it is not UTF-8"},
        {"{\"name\": \"a\\u0000b\"}", 1, "a string holds a NUL character"},
        {"{\"a\\u0000b\": 1}", 1, "a string holds a NUL character"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        bk_err_t *e = decode_wrong(bad[i].body, strlen(bad[i].body));
        const bk_field_issue_t *it = &APR_ARRAY_IDX(e->issues, 0, bk_field_issue_t);
        int line, column, words;
        assert_int_equal(e->code, BK_E_MALFORMED_JSON);
        assert_int_equal(e->issues->nelts, 1);
        assert_string_equal(it->field, "body");
        assert_int_equal(sscanf(it->issue, "line %d, column %d: %n", &line, &column, &words), 2);
        assert_int_equal(line, bad[i].line);
        assert_in_range(column, 1, strlen(bad[i].body));
        assert_string_equal(it->issue + words, bad[i].words);
    }
}

static void malformed_position(void **state)
{
    static const char body[] = "{\n  \"count\": 1,\n  \"name\" 2\n}";
    bk_err_t *e = decode_wrong(body, strlen(body));

    (void)state;
    assert_string_equal(APR_ARRAY_IDX(e->issues, 0, bk_field_issue_t).issue,
                        "line 3, column 10: it cannot be read here");
}

/* Nothing of the body stands in the words: it may hold personal data. */
static void malformed_keeps_silent(void **state)
{
    static const char body[] = "{\"name\": \"Ada Lovelace\" \"ada@example.org\"}";
    bk_err_t *e = decode_wrong(body, strlen(body));
    const char *issue = APR_ARRAY_IDX(e->issues, 0, bk_field_issue_t).issue;

    (void)state;
    assert_null(strstr(issue, "ada"));
    assert_null(strstr(issue, "Ada"));
    assert_null(e->detail);
}

static void raw_nul(void **state)
{
    static const char body[] = "{\"name\": \"a\0b\"}", behind[] = "{}\0";

    (void)state;
    assert_int_equal(decode_wrong(body, sizeof(body) - 1)->code, BK_E_MALFORMED_JSON);
    assert_int_equal(decode_wrong(behind, 3)->code, BK_E_MALFORMED_JSON);
}

static void depth(void **state)
{
    size_t n = 100000;
    char *body = apr_palloc(pool, n);
    bk_err_t *e;

    (void)state;
    memset(body, '[', n);
    e = decode_wrong(body, n);
    assert_int_equal(e->code, BK_E_MALFORMED_JSON);
    assert_non_null(strstr(APR_ARRAY_IDX(e->issues, 0, bk_field_issue_t).issue, "nested too deep"));
}

/* --- queries ------------------------------------------------------------------------ */

typedef struct {
    const char *name, *colour;
    bk_num_t from, limit, all, id;
} query_t;

static const bk_field_t query_fields[] = {
    {.name = "from", .kind = BK_F_DATE, .flags = BK_F_REQUIRED, .offset = offsetof(query_t, from)},
    {.name = "limit", .kind = BK_F_INT, .min = -1, .max = 200, .offset = offsetof(query_t, limit)},
    {.name = "all", .kind = BK_F_BOOL, .offset = offsetof(query_t, all)},
    {.name = "name", .kind = BK_F_STRING, .max = 10, .offset = offsetof(query_t, name)},
    {.name = "colour", .kind = BK_F_ENUM, .choices = colours, .offset = offsetof(query_t, colour)},
    {.name = "id", .kind = BK_F_ID, .format = "visit", .offset = offsetof(query_t, id)},
};
static BK_SHAPE(query, "Query", query_t);

static void query_good(void **state)
{
    void *out;
    const query_t *q;

    (void)state;
    assert_null(bk_query_decode(&out, &bk_shape_query,
                                "&from=2026-10-25&limit=-1&&all=false&na%6De=L%C3%B6we+x&other=%ff"
                                "&colour=red&id=visit_9&", pool));
    q = out;
    assert_int_equal(q->from.v, bk_date_make(2026, 10, 25));
    assert_int_equal(q->limit.v, -1);
    assert_true(q->all.set && !q->all.v);
    assert_string_equal(q->name, "L\xc3\xb6we x");
    assert_string_equal(q->colour, "red");
    assert_int_equal(q->id.v, 9);
}

static void query_wrong(void **state)
{
    static const struct {
        const char *query, *field, *issue;
    } bad[] = {
        {NULL, "from", "is required"},
        {"", "from", "is required"},
        {"FROM=2026-10-25", "from", "is required"},
        {"from=2026-10-25&from=2026-10-25", "from", "is given twice"},
        {"from=2026-10-25&fr%6fm=", "from", "is given twice"},
        {"from=", "from", "must be a date that exists, as YYYY-MM-DD"},
        {"from", "from", "must be a date that exists, as YYYY-MM-DD"},
        {"from=2026-10-25%00", "from", "holds a broken %-escape or a control character"},
        {"from=2026-10-25&name=%ff", "name", "holds a broken %-escape or a control character"},
        {"from=2026-10-25&%zz=1", "query", "holds a broken %-escape"},
        {"from=2026-10-25&limit=201", "limit", "must be a whole number from -1 to 200"},
        {"from=2026-10-25&limit=", "limit", "must be a whole number"},
        {"from=2026-10-25&limit=%2B5", "limit", "must be a whole number"},
        {"from=2026-10-25&limit=--5", "limit", "must be a whole number"},
        {"from=2026-10-25&limit=99999999999999999999", "limit", "must be a whole number"},
        {"from=2026-10-25&all=1", "all", "must be true or false"},
        {"from=2026-10-25&colour=blue", "colour", "must be one of red, green"},
        {"from=2026-10-25&id=visit_", "id", "must be an id"},
        {"from=2026-10-25&name=12345678901", "name", "must have at most 10 characters"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        void *out;
        bk_err_t *e = bk_query_decode(&out, &bk_shape_query, bad[i].query, pool);
        assert_non_null(e);
        assert_int_equal(e->code, BK_E_VALIDATION_FAILED);
        assert_string_equal(APR_ARRAY_IDX(e->issues, 0, bk_field_issue_t).field, bad[i].field);
        assert_string_equal(APR_ARRAY_IDX(e->issues, 0, bk_field_issue_t).issue, bad[i].issue);
    }
}

/* --- answers ------------------------------------------------------------------------ */

static const bk_field_t answer_fields[] = {
    {.name = "name", .kind = BK_F_STRING, .offset = offsetof(all_t, name)},
    {.name = "blank", .kind = BK_F_STRING, .flags = BK_F_OMIT, .offset = offsetof(all_t, blank)},
    {.name = "rating", .kind = BK_F_NUMBER, .offset = offsetof(all_t, rating)},
    {.name = "count", .kind = BK_F_INT, .offset = offsetof(all_t, count)},
    {.name = "yes", .kind = BK_F_BOOL, .offset = offsetof(all_t, yes)},
    {.name = "date", .kind = BK_F_DATE, .offset = offsetof(all_t, date)},
    {.name = "time", .kind = BK_F_TIME, .offset = offsetof(all_t, time)},
    {.name = "hour", .kind = BK_F_HOUR, .offset = offsetof(all_t, hour)},
    {.name = "at", .kind = BK_F_INSTANT, .offset = offsetof(all_t, at)},
    {.name = "id", .kind = BK_F_ID, .format = "visit", .offset = offsetof(all_t, id)},
    {.name = "tags", .kind = BK_F_STRINGS, .offset = offsetof(all_t, tags)},
    {.name = "inner", .kind = BK_F_OBJECT, .shape = &bk_shape_inner,
     .offset = offsetof(all_t, inner)},
    {.name = "rows", .kind = BK_F_LIST, .shape = &bk_shape_inner, .offset = offsetof(all_t, rows)},
};
static BK_SHAPE(answer, "Answer", all_t);

static const char *encode(const all_t *in)
{
    bk_buf_t out;

    bk_buf_init(&out, 16, pool);
    bk_json_encode(&out, &bk_shape_answer, in);
    return out.s;
}

static void encode_all(void **state)
{
    static const inner_t home = {"Main \"St\"", {5, true}};
    all_t in = {.name = "a\nb", .blank = "", .rating = "4.90", .count = BK_NUM(-1),
                .yes = BK_NUM(0), .date = BK_NUM(0), .time = BK_NUM(32400), .hour = BK_NUM(86400),
                .at = BK_NUM(-1), .id = BK_NUM(7), .inner = &home};

    (void)state;
    in.tags = apr_array_make(pool, 2, sizeof(const char *));
    APR_ARRAY_PUSH(in.tags, const char *) = "x\\y";
    APR_ARRAY_PUSH(in.tags, const char *) = "";
    in.rows = apr_array_make(pool, 2, sizeof(const inner_t *));
    APR_ARRAY_PUSH(in.rows, const inner_t *) = &home;
    APR_ARRAY_PUSH(in.rows, const inner_t *) = &home;
    assert_string_equal(
        encode(&in),
        "{\"name\": \"a\\nb\", \"blank\": \"\", \"rating\": 4.90, \"count\": -1, \"yes\": false, "
        "\"date\": \"1970-01-01\", \"time\": \"09:00:00\", \"hour\": \"24:00\", "
        "\"at\": \"1969-12-31T23:59:59Z\", \"id\": 7, \"tags\": [\"x\\\\y\", \"\"], "
        "\"inner\": {\"street\": \"Main \\\"St\\\"\", \"number\": 5}, "
        "\"rows\": [{\"street\": \"Main \\\"St\\\"\", \"number\": 5}, "
        "{\"street\": \"Main \\\"St\\\"\", \"number\": 5}]}");
}

static void encode_nothing(void **state)
{
    static const all_t nothing;
    all_t empty = {.tags = apr_array_make(pool, 1, sizeof(const char *)),
                   .rows = apr_array_make(pool, 1, sizeof(const char *))};

    (void)state;
    assert_string_equal(encode(&nothing),
                        "{\"name\": null, \"rating\": null, \"count\": null, \"yes\": null, "
                        "\"date\": null, \"time\": null, \"hour\": null, \"at\": null, "
                        "\"id\": null, \"tags\": null, \"inner\": null, \"rows\": null}");
    assert_non_null(strstr(encode(&empty), "\"tags\": [], \"inner\": null, \"rows\": []}"));
}

static void string_arrays(void **state)
{
    static const char text[] = "[\"a\", \"L\\u00f6we\", \"\\\"\"]";
    apr_array_header_t *list = bk_json_strings(text, pool);

    (void)state;
    assert_int_equal(list->nelts, 3);
    assert_string_equal(APR_ARRAY_IDX(list, 1, const char *), "L\xc3\xb6we");
    assert_string_equal(bk_json_from_strings(list, pool), "[\"a\", \"L\xc3\xb6we\", \"\\\"\"]");
    assert_int_equal(bk_json_strings(NULL, pool)->nelts, 0);
    assert_int_equal(bk_json_strings("", pool)->nelts, 0);
    assert_int_equal(bk_json_strings("{\"a\": 1}", pool)->nelts, 0);
    assert_int_equal(bk_json_strings("[\"a\", null, 3]", pool)->nelts, 1);
    assert_string_equal(bk_json_from_strings(bk_json_strings("[]", pool), pool), "[]");
}

/* --- e-mail addresses --------------------------------------------------------------- */

static void emails(void **state)
{
    static const char *const good[] = {"ada@example.org", "a@b.c", "a.b+c_d'e@x-y.example.org",
                                       "L\xc3\xb6we@b\xc3\xbc" "cher.example", "1@2.3"};
    static const char *const bad[] = {
        "", "@", "ada", "ada@", "@example.org", "ada@example", "ada@.org", "ada@example.",
        "ada@example..org", "ada@@example.org", "a@b@c.org", "a b@example.org", "ada@exam ple.org",
        "ada@example.org ", " ada@example.org", "ada@example.org\n", "\"a\"@example.org",
        ".ada@example.org", "ada.@example.org", "a..b@example.org", "ada@exa_mple.org",
        "Ada <ada@example.org>", "ada@example.org,b@example.org", "a;b@example.org",
        "ada@[127.0.0.1]", "a\x7f@example.org"};
    char *longest = apr_pcalloc(pool, 256);

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(bk_email_valid(good[i]));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (bk_email_valid(bad[i])) {
            fail_msg("taken for an address: %s", bad[i]);
        }
    }
    memset(longest, 'a', 254);
    memcpy(longest + 64, "@", 1);
    memcpy(longest + 250, ".", 1);
    assert_true(bk_email_valid(longest));
    longest[254] = 'a';
    assert_false(bk_email_valid(longest));
    memset(longest, 'a', 65);
    memcpy(longest + 65, "@b.c", 5);
    assert_false(bk_email_valid(longest));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(texts),         UNIT(numbers),          UNIT(times),
        UNIT(ids),           UNIT(containers),       UNIT(absent),
        UNIT(texts_wrong),   UNIT(numbers_wrong),    UNIT(times_wrong),
        UNIT(containers_wrong), UNIT(all_at_once),   UNIT(malformed),
        UNIT(malformed_position), UNIT(malformed_keeps_silent), UNIT(raw_nul),
        UNIT(depth),
        UNIT(query_good),    UNIT(query_wrong),      UNIT(encode_all),
        UNIT(encode_nothing), UNIT(string_arrays),   UNIT(emails),
    };

    unit_start();
    return unit_end(cmocka_run_group_tests(tests, NULL, NULL));
}
