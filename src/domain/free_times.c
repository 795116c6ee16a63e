#include "booking/domain.h"

#define TRIES 4

/* Any zone is within 14 hours of UTC, so these instants hold every slot of the dates. */
static bk_span_t span_of_dates(bk_date_t from, bk_date_t to)
{
    return (bk_span_t){((bk_time_t)from - 2) * BK_DAY_S, ((bk_time_t)to + 4) * BK_DAY_S};
}

/* What can get in the way of the slots, buffers included. */
static bk_span_t span_of_slots(const bk_calendar_t *c, bk_slots_t slots)
{
    bk_span_t span = {0, 0};

    if (slots.n) {
        span = (bk_span_t){slots.v[0].start, slots.v[0].end};
        for (int i = 1; i < slots.n; i++) {
            span.end = slots.v[i].end > span.end ? slots.v[i].end : span.end;
        }
        span.start -= c->schedule.buffer_before;
        span.end += c->schedule.buffer_after;
    }
    return span;
}

bk_err_t *bk_free_times(bk_free_times_t *out, bk_ctx_t *ctx, apr_int64_t practitioner_id,
                        bk_date_t from, bk_date_t to)
{
    const bk_calendar_t *stale = NULL;
    bk_db_t *db;

    for (int try = 0; try < TRIES; try++) {
        bk_busy_list_t busy;
        bk_span_t span;

        BK_TRY(bk_calendar_get(&out->calendar, ctx, practitioner_id, stale));
        BK_TRY(bk_ctx_db(&db, ctx));
        out->slots = bk_slots_of_days(&out->calendar->schedule, from, to, ctx->p);
        span = span_of_slots(out->calendar, out->slots);
        BK_TRY(bk_store_busy(&busy, db, practitioner_id, span.start, span.end, ctx->now, 0,
                             ctx->p));
        if (busy.version == 0) {
            return bk_err_make(BK_E_NOT_FOUND, ctx->p, NULL);
        }
        if (busy.version == out->calendar->version) {
            bk_slots_mark(out->slots, &out->calendar->schedule, busy.busy, busy.n, ctx->now);
            return NULL;
        }
        stale = out->calendar;
    }
    return bk_err_make(BK_E_UNAVAILABLE, ctx->p, "the hours change faster than they can be read");
}

bk_err_t *bk_free_times_search(apr_array_header_t **out, apr_int64_t *next, bk_ctx_t *ctx,
                               const bk_practitioner_filter_t *filter, apr_int64_t only_id,
                               bk_date_t from, bk_date_t to)
{
    bk_span_t span = span_of_dates(from, to);
    bk_practitioner_filter_t one_more = *filter;
    const bk_calendar_t **calendars;
    apr_array_header_t *busy;
    bk_db_t *db;

    one_more.limit++;
    BK_TRY(bk_ctx_db(&db, ctx));
    BK_TRY(bk_store_busy_search(&busy, db, &one_more, only_id, span.start, span.end, ctx->now,
                                ctx->p));
    *next = 0;
    if (busy->nelts > filter->limit) {
        apr_array_pop(busy);
        *next = APR_ARRAY_IDX(busy, busy->nelts - 1, bk_busy_list_t).practitioner_id;
    }
    calendars = apr_pcalloc(ctx->p, (apr_size_t)(busy->nelts + 1) * sizeof(*calendars));
    BK_TRY(bk_calendars_at(calendars, ctx, (const bk_busy_list_t *)(void *)busy->elts,
                           busy->nelts));
    bk_ctx_release(ctx);
    *out = apr_array_make(ctx->p, busy->nelts, sizeof(bk_free_times_t));
    for (int i = 0; i < busy->nelts; i++) {
        const bk_busy_list_t *list = &APR_ARRAY_IDX(busy, i, bk_busy_list_t);
        bk_free_times_t *times;

        if (!calendars[i] || !calendars[i]->active) {
            continue; /* gone since the first statement */
        }
        times = apr_array_push(*out);
        times->calendar = calendars[i];
        times->slots = bk_slots_of_days(&calendars[i]->schedule, from, to, ctx->p);
        bk_slots_mark(times->slots, &calendars[i]->schedule, list->busy, list->n, ctx->now);
    }
    return NULL;
}
