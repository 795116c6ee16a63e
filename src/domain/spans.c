/* Arithmetic of half-open spans, and when a visit is too near to another. */

#include "booking/availability.h"

#include <stdlib.h>
#include <string.h>

static const bk_spans_t no_spans = {NULL, 0};

static int span_compare(const void *a, const void *b)
{
    const bk_span_t *x = a, *y = b;

    if (x->start != y->start) {
        return x->start < y->start ? -1 : 1;
    }
    return (x->end > y->end) - (x->end < y->end);
}

static bk_time_t max_time(bk_time_t a, bk_time_t b)
{
    return a > b ? a : b;
}

static bk_time_t min_time(bk_time_t a, bk_time_t b)
{
    return a < b ? a : b;
}

bk_spans_t bk_spans_merge(const bk_span_t *v, int n, apr_pool_t *p)
{
    bk_spans_t out = no_spans;
    bool sorted = true;
    int kept = 0;

    if (n <= 0) {
        return out;
    }
    out.v = apr_palloc(p, sizeof(*out.v) * (size_t)n);
    for (int i = 0; i < n; i++) {
        if (v[i].start < v[i].end) {
            sorted = sorted && (kept == 0 || out.v[kept - 1].start <= v[i].start);
            out.v[kept++] = v[i];
        }
    }
    if (!sorted) {
        qsort(out.v, (size_t)kept, sizeof(*out.v), span_compare);
    }
    for (int i = 0; i < kept; i++) {
        bk_span_t *last = out.n ? &out.v[out.n - 1] : NULL;

        if (last && out.v[i].start <= last->end) {
            last->end = max_time(last->end, out.v[i].end);
        }
        else {
            out.v[out.n++] = out.v[i];
        }
    }
    return out;
}

bk_spans_t bk_spans_subtract(bk_spans_t a, bk_spans_t b, apr_pool_t *p)
{
    bk_spans_t from = bk_spans_merge(a.v, a.n, p);
    bk_spans_t minus = bk_spans_merge(b.v, b.n, p);
    bk_spans_t out = no_spans;
    int first = 0;

    /* Each span taken away splits at most one in two. */
    out.v = apr_palloc(p, sizeof(*out.v) * ((size_t)from.n + (size_t)minus.n + 1));
    for (int i = 0; i < from.n; i++) {
        bk_time_t at = from.v[i].start, end = from.v[i].end;

        while (first < minus.n && minus.v[first].end <= at) {
            first++;
        }
        for (int j = first; j < minus.n && minus.v[j].start < end; j++) {
            if (minus.v[j].start > at) {
                out.v[out.n++] = (bk_span_t){at, minus.v[j].start};
            }
            at = minus.v[j].end;
        }
        if (at < end) {
            out.v[out.n++] = (bk_span_t){at, end};
        }
    }
    return out;
}

/* Both sorted and merged. */
static bk_spans_t intersect_two(bk_spans_t a, bk_spans_t b, apr_pool_t *p)
{
    bk_spans_t out = no_spans;

    out.v = apr_palloc(p, sizeof(*out.v) * ((size_t)a.n + (size_t)b.n + 1));
    for (int i = 0, j = 0; i < a.n && j < b.n;) {
        bk_time_t start = max_time(a.v[i].start, b.v[j].start);
        bk_time_t end = min_time(a.v[i].end, b.v[j].end);

        if (start < end) {
            out.v[out.n++] = (bk_span_t){start, end};
        }
        if (a.v[i].end < b.v[j].end) {
            i++;
        }
        else {
            j++;
        }
    }
    return out;
}

bk_spans_t bk_spans_intersect(const bk_spans_t *lists, int n, apr_pool_t *p)
{
    bk_spans_t out;

    if (n <= 0) {
        return no_spans;
    }
    out = bk_spans_merge(lists[0].v, lists[0].n, p);
    for (int i = 1; i < n && out.n > 0; i++) {
        out = intersect_two(out, bk_spans_merge(lists[i].v, lists[i].n, p), p);
    }
    return out;
}

bool bk_spans_conflict(bk_span_t span, bk_spans_t busy)
{
    for (int i = 0; i < busy.n; i++) {
        if (max_time(span.start, busy.v[i].start) < min_time(span.end, busy.v[i].end)) {
            return true;
        }
    }
    return false;
}

bool bk_busy_conflict(bk_span_t visit, int before, int after, const bk_busy_t *busy, int n)
{
    if (visit.start >= visit.end) {
        return false;
    }
    for (int i = 0; i < n; i++) {
        int ahead = busy[i].after > before ? busy[i].after : before;
        int behind = after > busy[i].before ? after : busy[i].before;

        if (busy[i].start < busy[i].end && visit.start < busy[i].end + ahead
            && busy[i].start < visit.end + behind) {
            return true;
        }
    }
    return false;
}
