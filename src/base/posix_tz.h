/* The rule in the footer of a TZif file (RFC 8536 3.3): a POSIX TZ string, with its extensions.
 * For zone.c; pure, safe from any thread.
 */
#ifndef BASE_POSIX_TZ_H
#define BASE_POSIX_TZ_H

#include "booking/time.h"

/* Instants beyond the years 0000 and 10000 are answered as these, so that no sum overflows. */
#define TIME_FLOOR ((bk_time_t)(BK_DATE_MIN - 366) * BK_DAY_S)
#define TIME_CEILING ((bk_time_t)(BK_DATE_MAX + 366) * BK_DAY_S)

typedef enum { BK_POSIX_TZ_JULIAN, BK_POSIX_TZ_DAY, BK_POSIX_TZ_WEEKDAY } bk_posix_tz_kind_t;

/* When a footer's daylight time starts or ends, every year. */
typedef struct {
    bk_posix_tz_kind_t kind;
    int day;         /* BK_POSIX_TZ_JULIAN 1-365, BK_POSIX_TZ_DAY 0-365, BK_POSIX_TZ_WEEKDAY 0-6 */
    int month, week; /* BK_POSIX_TZ_WEEKDAY: 1-12; 1-5, 5 being the last */
    int time;        /* seconds after that day's local midnight; may be negative */
} bk_posix_tz_rule_t;

typedef struct {
    int std, dst; /* seconds east of UTC */
    bool has_dst;
    bk_posix_tz_rule_t start, end;
} bk_posix_tz_t;

/* Reads *len* bytes, such as "CET-1CEST,M3.5.0,M10.5.0/3". false when malformed. */
bool bk_posix_tz_parse(const char *s, size_t len, bk_posix_tz_t *f);

/* The offset at *t*, seconds east of UTC, and in *until* an instant up to which it certainly
 * holds (APR_INT64_MAX: for ever). */
int bk_posix_tz_period(const bk_posix_tz_t *f, bk_time_t t, bk_time_t *until);

/* Days since 1970-01-01 of a local instant, downwards also before it. */
bk_time_t bk_floor_day(bk_time_t t);

#endif
