#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <apr_file_io.h>
#include <apr_strings.h>
#include <apr_thread_proc.h>

#include "booking/zone.h"

#define ZONE_TAB "/usr/share/zoneinfo/zone1970.tab"

static apr_pool_t *pool;

static bk_time_t at(int year, int month, int day, int tod)
{
    return (bk_time_t)bk_date_make(year, month, day) * BK_DAY_S + tod;
}

static const bk_zone_t *zone(const char *name)
{
    const bk_zone_t *found = bk_zone_find(name);

    if (!found) {
        fail_msg("no zone %s", name);
    }
    return found;
}

static void libc_use(const char *tz)
{
    setenv("TZ", tz, 1);
    tzset();
}

static int libc_offset(bk_time_t t)
{
    struct tm tm;
    time_t clock = (time_t)t;

    localtime_r(&clock, &tm);
    return (int)tm.tm_gmtoff;
}

static bk_time_t random_between(bk_time_t low, bk_time_t high)
{
    uint64_t r = ((uint64_t)rand() << 31) ^ (uint64_t)rand();

    return low + (bk_time_t)(r % (uint64_t)(high - low));
}

/* Calls *check* for each name of zone1970.tab. */
static void each_zone(void (*check)(const char *name))
{
    FILE *f = fopen(ZONE_TAB, "r");
    char line[512];
    int n = 0;

    assert_non_null(f);
    while (fgets(line, sizeof(line), f)) {
        char codes[256], place[64], name[64];

        if (line[0] != '#' && sscanf(line, "%255s %63s %63s", codes, place, name) == 3) {
            check(name);
            n++;
        }
    }
    fclose(f);
    assert_true(n > 250);
}

/* --- against libc -------------------------------------------------------------------- */

static void check_libc(const char *name)
{
    const bk_zone_t *z = zone(name);

    libc_use(name);
    for (int i = 0; i < 600; i++) {
        bk_time_t t = random_between(at(1990, 1, 1, 0), at(2060, 1, 1, 0));

        if (bk_zone_offset(z, t) != libc_offset(t)) {
            fail_msg("%s at %ld: %d, libc %d", name, (long)t, bk_zone_offset(z, t), libc_offset(t));
        }
    }
}

static void offsets_as_libc(void **state)
{
    (void)state;
    each_zone(check_libc);
}

/* Bisects to the second of each change between two instants ten days apart. */
static void check_transitions(const char *name)
{
    const bk_zone_t *z = zone(name);
    bk_time_t end = at(2045, 1, 1, 0);

    libc_use(name);
    for (bk_time_t t = at(1990, 1, 1, 0); t < end; t += 10 * BK_DAY_S) {
        bk_time_t low = t, high = t + 10 * BK_DAY_S;
        int first = libc_offset(low);

        if (libc_offset(high) == first) {
            continue;
        }
        while (high - low > 1) {
            bk_time_t middle = low + (high - low) / 2;

            if (libc_offset(middle) == first) {
                low = middle;
            }
            else {
                high = middle;
            }
        }
        assert_int_equal(bk_zone_offset(z, low), first);
        assert_int_equal(bk_zone_offset(z, high), libc_offset(high));
    }
}

static void transitions_as_libc(void **state)
{
    (void)state;
    each_zone(check_transitions);
}

/* --- local times --------------------------------------------------------------------- */

/* What bk_zone_from_local() should say, by looking at every offset the zone has nearby. */
static bk_time_t slow_from_local(const bk_zone_t *z, bk_time_t local, bk_local_kind_t *kind)
{
    bk_time_t best = APR_INT64_MAX;
    int shown = 0, last = INT32_MAX;

    for (bk_time_t t = local - BK_DAY_S; t <= local + BK_DAY_S; t += 900) {
        int offset = bk_zone_offset(z, t);

        if (offset != last) {
            bk_time_t candidate = local - offset;

            if (bk_zone_offset(z, candidate) == offset) {
                shown++;
                best = candidate < best ? candidate : best;
            }
            last = offset;
        }
    }
    *kind = shown == 0 ? BK_LOCAL_GAP : shown == 1 ? BK_LOCAL_UNIQUE : BK_LOCAL_TWICE;
    return best;
}

static void check_local(const bk_zone_t *z, bk_time_t local)
{
    bk_date_t date = (bk_date_t)(local / BK_DAY_S), back_date;
    int tod = (int)(local % BK_DAY_S), back_tod;
    bk_local_kind_t kind, expected_kind;
    bk_time_t expected = slow_from_local(z, local, &expected_kind);
    bk_time_t t = bk_zone_from_local(z, date, tod, &kind);

    if (kind != expected_kind) {
        fail_msg("%s %ld: kind %d, not %d", bk_zone_name(z), (long)local, (int)kind,
                 (int)expected_kind);
    }
    bk_zone_to_local(z, t, &back_date, &back_tod);
    if (kind == BK_LOCAL_GAP) {
        /* Read with the offset before, it comes out as much later as the gap is wide. */
        int before = bk_zone_offset(z, t - BK_DAY_S), after = bk_zone_offset(z, t);

        assert_int_equal(t, local - before);
        assert_int_equal((bk_time_t)back_date * BK_DAY_S + back_tod, local + after - before);
    }
    else {
        assert_int_equal(t, expected);
        assert_int_equal(back_date, date);
        assert_int_equal(back_tod, tod);
    }
}

/* Every quarter of an hour around each change of offset. */
static void check_round_trip(const char *name)
{
    const bk_zone_t *z = zone(name);
    int last = bk_zone_offset(z, at(2007, 1, 1, 0));

    for (bk_time_t t = at(2007, 1, 1, 0); t < at(2029, 1, 1, 0); t += 1800) {
        int offset = bk_zone_offset(z, t);

        if (offset != last) {
            for (bk_time_t local = t + offset - 6 * 3600; local < t + offset + 6 * 3600;
                 local += 900) {
                check_local(z, local);
            }
            last = offset;
        }
    }
    for (int i = 0; i < 20; i++) {
        check_local(z, random_between(at(1980, 1, 1, 0), at(2150, 1, 1, 0)));
    }
}

static void round_trips(void **state)
{
    (void)state;
    each_zone(check_round_trip);
}

static void expect_local(const char *name, bk_time_t local, bk_time_t utc, bk_local_kind_t kind)
{
    bk_local_kind_t got;
    bk_time_t t = bk_zone_from_local(zone(name), (bk_date_t)(local / BK_DAY_S),
                                     (int)(local % BK_DAY_S), &got);

    if (t != utc || got != kind) {
        fail_msg("%s %ld: %ld (%d), not %ld (%d)", name, (long)local, (long)t, (int)got, (long)utc,
                 (int)kind);
    }
}

static void locals_known(void **state)
{
    bk_date_t date;
    int tod;

    (void)state;
    expect_local("Europe/Berlin", at(2026, 3, 29, 9000), at(2026, 3, 29, 5400), BK_LOCAL_GAP);
    expect_local("Europe/Berlin", at(2026, 10, 25, 9000), at(2026, 10, 25, 1800), BK_LOCAL_TWICE);
    expect_local("Europe/Berlin", at(2026, 3, 29, 10800), at(2026, 3, 29, 3600), BK_LOCAL_UNIQUE);
    expect_local("Europe/Dublin", at(2026, 10, 25, 5400), at(2026, 10, 25, 1800), BK_LOCAL_TWICE);
    expect_local("Australia/Lord_Howe", at(2026, 4, 5, 6300), at(2026, 4, 4, 53100),
                 BK_LOCAL_TWICE);
    expect_local("Australia/Lord_Howe", at(2026, 10, 4, 8100), at(2026, 10, 3, 56700),
                 BK_LOCAL_GAP);
    expect_local("Pacific/Apia", at(2011, 12, 30, 43200), at(2011, 12, 30, 79200), BK_LOCAL_GAP);
    expect_local("Pacific/Apia", at(2011, 12, 31, 0), at(2011, 12, 30, 36000), BK_LOCAL_UNIQUE);
    expect_local("Asia/Kathmandu", at(2026, 1, 1, 0), at(2025, 12, 31, 65700), BK_LOCAL_UNIQUE);
    assert_int_equal(bk_zone_to_local(zone("America/St_Johns"), at(2026, 7, 1, 0), &date, &tod),
                     -9000);
    assert_int_equal(date, bk_date_make(2026, 6, 30));
    assert_int_equal(tod, 77400);
    assert_int_equal(bk_zone_from_local(zone("UTC"), 10, BK_DAY_S, NULL), 11 * BK_DAY_S);
    assert_int_equal(bk_zone_to_local(zone("UTC"), -1, NULL, NULL), 0);
}

static void extremes(void **state)
{
    static const char *const names[] = {"Europe/Berlin", "America/Nuuk", "Africa/Casablanca",
                                        "UTC",           "Asia/Kolkata", "Pacific/Chatham"};
    bk_local_kind_t kind;

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const bk_zone_t *z = zone(names[i]);

        bk_zone_to_local(z, APR_INT64_MAX, NULL, NULL);
        bk_zone_to_local(z, APR_INT64_MIN, NULL, NULL);
        bk_zone_from_local(z, INT32_MAX, BK_DAY_S, &kind);
        bk_zone_from_local(z, INT32_MIN, 0, &kind);
        check_local(z, at(9990, 7, 1, 43200));
        check_local(z, at(2400, 3, 31, 9000));
    }
    /* Last Sunday of March and October, a long way beyond the file. */
    assert_int_equal(bk_zone_offset(zone("Europe/Berlin"), at(9998, 7, 1, 0)), 7200);
    assert_int_equal(bk_zone_offset(zone("Europe/Berlin"), at(9998, 12, 1, 0)), 3600);
}

/* --- files made here ----------------------------------------------------------------- */

static char *folder;

static void file_make(const char *name, const void *bytes, size_t len)
{
    FILE *f = fopen(apr_pstrcat(pool, folder, "/", name, NULL), "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    fclose(f);
}

static size_t header_put(unsigned char *b, unsigned times, unsigned types, unsigned chars)
{
    memset(b, 0, 44);
    memcpy(b, "TZif2", 5);
    b[35] = (unsigned char)times;
    b[39] = (unsigned char)types;
    b[43] = (unsigned char)chars;
    return 44;
}

/* A file without transitions: one type of offset 0, and the footer. */
static size_t tzif_put(unsigned char *b, const char *footer)
{
    static const unsigned char type[] = {0, 0, 0, 0, 0, 0, 'X', 'Y', 'Z', 0};
    size_t n = header_put(b, 0, 0, 0);

    n += header_put(b + n, 0, 1, 4);
    memcpy(b + n, type, sizeof(type));
    n += sizeof(type);
    return n + (size_t)sprintf((char *)b + n, "\n%s\n", footer);
}

/* The zone of a file with that footer alone; each call must use another name. */
static const bk_zone_t *footer_zone(const char *name, const char *footer)
{
    unsigned char bytes[512];

    file_make(name, bytes, tzif_put(bytes, footer));
    return bk_zone_find(name);
}

static void check_footer(const char *name, const char *footer, const char *libc_tz)
{
    const bk_zone_t *z = footer_zone(name, footer);

    if (!z) {
        fail_msg("refused: %s", footer);
    }
    libc_use(libc_tz);
    for (int i = 0; i < 20000; i++) {
        bk_time_t t = random_between(at(1975, 1, 1, 0), at(2300, 1, 1, 0));

        if (bk_zone_offset(z, t) != libc_offset(t)) {
            fail_msg("%s at %ld: %d, libc %d", footer, (long)t, bk_zone_offset(z, t),
                     libc_offset(t));
        }
    }
    for (int i = 0; i < 500; i++) {
        check_local(z, random_between(at(2020, 1, 1, 0), at(2030, 1, 1, 0)));
    }
}

static void footers_as_libc(void **state)
{
    static const char *const footers[] = {
        "CET-1CEST,M3.5.0,M10.5.0/3",
        "EST5EDT,M3.2.0,M11.1.0",
        "IST-1GMT0,M10.5.0,M3.5.0/1",
        "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
        "<+1245>-12:45<+1345>,M9.5.0/2:45,M4.1.0/3:45",
        "NST3:30NDT,M3.2.0,M11.1.0",
        "<-03>3<-02>,M3.5.0/-1,M10.5.0/0",
        "EET-2EEST,M3.4.4/50,M10.4.4/50",
        "IST-2IDT,M3.4.4/26,M10.5.0",
        "EET-2EEST,M4.5.5/0,M10.5.4/24",
        "CST6CDT,J60,J300",
        "CST6CDT,59/2,J300/1:30",
        "<+00>0<+02>-2,M3.5.0/1,M10.5.0/3",
        "UTC0",
        "<+0545>-5:45",
        "AAA3BBB2:30:15,M5.1.1,M9.1.1",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(footers) / sizeof(footers[0]); i++) {
        check_footer(apr_psprintf(pool, "Footer%d", (int)i), footers[i], footers[i]);
    }
}

/* RFC 8536 3.3.1: daylight time all year, as an end that is the next year's start. */
static void footers_all_year(void **state)
{
    const bk_zone_t *west = footer_zone("AllYearWest", "XXX3EDT4,0/0,J365/23");
    const bk_zone_t *east = footer_zone("AllYearEast", "EST5EDT,0/0,J365/25");
    const bk_zone_t *beyond = footer_zone("AllYearBeyond", "EST5EDT,0/0,J365/167");

    (void)state;
    assert_non_null(west);
    assert_non_null(east);
    assert_non_null(beyond);
    for (bk_time_t t = at(2019, 12, 20, 0); t < at(2022, 1, 10, 0); t += 1800) {
        assert_int_equal(bk_zone_offset(west, t), -4 * 3600);
        assert_int_equal(bk_zone_offset(east, t), -4 * 3600);
        assert_int_equal(bk_zone_offset(beyond, t), -4 * 3600);
    }
    check_local(west, at(2021, 1, 1, 0));
    check_local(east, at(2021, 1, 1, 0));
}

/* Rule times that carry a change into the year before or after. */
static void footers_across_years(void **state)
{
    const bk_zone_t *early = footer_zone("Early", "AAA0BBB,0/-167,J100/0");
    const bk_zone_t *late = footer_zone("Late", "AAA0BBB,J100/0,J365/167");
    bk_time_t start = at(2026, 1, 1, 0) - 167 * 3600;
    bk_time_t end = at(2026, 12, 31, 0) + 166 * 3600;

    (void)state;
    assert_non_null(early);
    assert_non_null(late);
    assert_int_equal(bk_zone_offset(early, start - 1), 0);
    assert_int_equal(bk_zone_offset(early, start), 3600);
    assert_int_equal(bk_zone_offset(late, end - 1), 3600);
    assert_int_equal(bk_zone_offset(late, end), 0);
}

static void footers_refused(void **state)
{
    static const char *const bad[] = {
        "A0",
        "AAA",
        "AAA25",
        "AAA24:30",
        "AAA0BBB",
        "AAA0BBB,",
        "AAA0BBB,J0,J5",
        "AAA0BBB,J366,J5",
        "AAA0BBB,366,J5",
        "AAA0BBB,M13.1.0,J5",
        "AAA0BBB,M1.6.0,J5",
        "AAA0BBB,M1.1.7,J5",
        "AAA0BBB,M1.1,J5",
        "AAA0BBB,J1,J5,",
        "<AAA0",
        "<A>0",
        "AAA0BBB,J1/168,J5",
        "AAA0BBB,J1",
        "AAA0:60",
        "AAA 0",
        "AAA0x",
        "A1A0",
        "AAA-24",
        "AAA-23:30BBB,J1,J5",
        "AAA--1",
        "AAA99999999999999999999",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (footer_zone(apr_psprintf(pool, "Bad%d", (int)i), bad[i])) {
            fail_msg("taken: %s", bad[i]);
        }
    }
}

/* --- damaged files ------------------------------------------------------------------- */

static unsigned char *real_file(const char *name, size_t *len)
{
    FILE *f = fopen(apr_pstrcat(pool, "/usr/share/zoneinfo/", name, NULL), "rb");
    unsigned char *bytes = apr_palloc(pool, 65536);

    assert_non_null(f);
    *len = fread(bytes, 1, 65536, f);
    fclose(f);
    return bytes;
}

static void damaged_truncated(void **state)
{
    size_t len;
    unsigned char *bytes = real_file("Europe/Berlin", &len);

    (void)state;
    for (size_t n = 0; n < len; n += n < 200 || n > len - 100 ? 1 : 13) {
        char *name = apr_psprintf(pool, "Cut%d", (int)n);

        file_make(name, bytes, n);
        if (bk_zone_find(name)) {
            fail_msg("taken with %d of %d bytes", (int)n, (int)len);
        }
    }
    file_make("Whole", bytes, len);
    assert_non_null(bk_zone_find("Whole"));
}

/* Random bytes changed: refused, or usable without a fault. */
static void damaged_bytes(void **state)
{
    size_t len;
    unsigned char *bytes = real_file("America/New_York", &len);
    unsigned char *copy = apr_palloc(pool, len);

    (void)state;
    for (int i = 0; i < 3000; i++) {
        char name[32];
        const bk_zone_t *z;
        bk_local_kind_t kind;

        memcpy(copy, bytes, len);
        for (int k = 1 + rand() % 4; k > 0; k--) {
            size_t where = rand() % 2 ? (size_t)rand() % 100 : (size_t)rand() % len;

            copy[where] = (unsigned char)rand();
        }
        snprintf(name, sizeof(name), "Fuzz%d", i);
        file_make(name, copy, len);
        z = bk_zone_find(name);
        for (int k = 0; z && k < 10; k++) {
            bk_time_t t = random_between(at(1880, 1, 1, 0), at(2200, 1, 1, 0));

            bk_zone_to_local(z, t, NULL, NULL);
            bk_zone_from_local(z, (bk_date_t)(t / BK_DAY_S), 3600, &kind);
        }
        unlink(apr_pstrcat(pool, folder, "/", name, NULL));
    }
}

static void damaged_fields(void **state)
{
    unsigned char bytes[512];
    size_t len = tzif_put(bytes, "UTC0");

    (void)state;
    file_make("Sound", bytes, len);
    assert_non_null(bk_zone_find("Sound"));
    bytes[88 + 5] = 4; /* abbreviation outside the table */
    file_make("Abbreviation", bytes, len);
    assert_null(bk_zone_find("Abbreviation"));
    len = tzif_put(bytes, "UTC0");
    bytes[88 + 1] = 1; /* 65536 seconds and more: over a day once byte 2 joins in */
    bytes[88 + 2] = 0x60;
    file_make("Offset", bytes, len);
    assert_null(bk_zone_find("Offset"));
    len = tzif_put(bytes, "UTC0");
    bytes[4] = 0;
    file_make("Version1", bytes, len);
    assert_null(bk_zone_find("Version1"));
    len = tzif_put(bytes, "");
    file_make("NoFooter", bytes, len);
    assert_int_equal(bk_zone_offset(zone("NoFooter"), at(2026, 1, 1, 0)), 0);
    bytes[44 + 31] = 1; /* leap seconds */
    file_make("Leap", bytes, len);
    assert_null(bk_zone_find("Leap"));
}

/* --- names --------------------------------------------------------------------------- */

static void names(void **state)
{
    static const char *const bad[] = {
        "",
        "/etc/passwd",
        "../etc",
        "Europe/../UTC",
        "Europe//Berlin",
        "Europe/",
        "Europe",
        "europe/berlin",
        "Europe/Berlin ",
        "right/UTC",
        "UTC\n",
        "posix/UTC",
        "localtime",
        "Nowhere",
        "Europe/Berlin/x",
        "zone.tab",
        "Europe\\Berlin",
        "Europe/./Berlin",
        "Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (bk_zone_find(bad[i])) {
            fail_msg("found: %s", bad[i]);
        }
    }
    assert_null(bk_zone_find(NULL));
    assert_ptr_equal(zone("Europe/Berlin"), zone("Europe/Berlin"));
    assert_string_equal(bk_zone_name(zone("Etc/GMT+12")), "Etc/GMT+12");
    assert_int_equal(bk_zone_offset(zone("Etc/GMT+12"), 0), -43200);
    assert_string_equal(bk_zone_name(zone("America/Port-au-Prince")), "America/Port-au-Prince");
    assert_string_not_equal(bk_zone_version(), "unknown");
}

static void *APR_THREAD_FUNC reader(apr_thread_t *thread, void *data)
{
    static const char *const names_used[] = {"Asia/Tokyo", "Asia/Seoul", "Asia/Dubai", "None"};

    (void)thread;
    for (int i = 0; i < 4000; i++) {
        const bk_zone_t *z = bk_zone_find(names_used[i % 4]);

        if ((z != NULL) != (i % 4 != 3) || (z && bk_zone_offset(z, 1792915200) < 14400)) {
            *(bool *)data = true;
        }
    }
    return NULL;
}

static void threads(void **state)
{
    apr_thread_t *thread[4];
    bool failed[4] = {false};
    apr_status_t rv;

    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(apr_thread_create(&thread[i], NULL, reader, &failed[i], pool), 0);
    }
    for (int i = 0; i < 4; i++) {
        apr_thread_join(&rv, thread[i]);
        assert_false(failed[i]);
    }
}

/* --- the registry -------------------------------------------------------------------- */

static void registry_again(void **state)
{
    apr_pool_t *p;

    (void)state;
    apr_pool_create(&p, NULL);
    assert_int_not_equal(bk_zone_init("/nonexistent", p), APR_SUCCESS);
    assert_int_equal(bk_zone_init(NULL, p), APR_SUCCESS);
    assert_non_null(bk_zone_find("UTC"));
    apr_pool_destroy(p);
    assert_null(bk_zone_find("UTC"));
    assert_string_equal(bk_zone_version(), "unknown");
}

static void version_file(void **state)
{
    apr_pool_t *p;

    (void)state;
    apr_pool_create(&p, pool);
    file_make("+VERSION", "2031c\n", 6);
    assert_int_equal(bk_zone_init(folder, p), APR_SUCCESS);
    assert_string_equal(bk_zone_version(), "2031c");
    file_make("tzdata.zi", "# version 2032d\n# more\n", 23);
    assert_int_equal(bk_zone_init(folder, p), APR_SUCCESS);
    assert_string_equal(bk_zone_version(), "2032d");
    apr_pool_destroy(p);
}

static int system_setup(void **state)
{
    (void)state;
    srand(1);
    apr_pool_create(&pool, NULL);
    return bk_zone_init(NULL, pool) != APR_SUCCESS;
}

static int folder_setup(void **state)
{
    static char path[] = "/tmp/bk_zone_XXXXXX";

    (void)state;
    srand(2);
    apr_pool_create(&pool, NULL);
    folder = mkdtemp(path);
    return !folder || bk_zone_init(folder, pool) != APR_SUCCESS;
}

static int teardown(void **state)
{
    (void)state;
    if (folder) {
        apr_dir_t *dir;
        apr_finfo_t info;

        apr_dir_open(&dir, folder, pool);
        while (apr_dir_read(&info, APR_FINFO_NAME, dir) == APR_SUCCESS) {
            if (info.name[0] != '.') {
                unlink(apr_pstrcat(pool, folder, "/", info.name, NULL));
            }
        }
        apr_dir_close(dir);
        rmdir(folder);
        folder = NULL;
    }
    apr_pool_destroy(pool);
    return 0;
}

int main(void)
{
    const struct CMUnitTest system_tests[] = {
        cmocka_unit_test(offsets_as_libc), cmocka_unit_test(transitions_as_libc),
        cmocka_unit_test(round_trips),     cmocka_unit_test(locals_known),
        cmocka_unit_test(extremes),        cmocka_unit_test(names),
        cmocka_unit_test(threads),
    };
    const struct CMUnitTest folder_tests[] = {
        cmocka_unit_test(footers_as_libc),      cmocka_unit_test(footers_all_year),
        cmocka_unit_test(footers_across_years), cmocka_unit_test(footers_refused),
        cmocka_unit_test(damaged_truncated),    cmocka_unit_test(damaged_bytes),
        cmocka_unit_test(damaged_fields),       cmocka_unit_test(version_file),
    };
    const struct CMUnitTest registry_tests[] = {cmocka_unit_test(registry_again)};
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests(system_tests, system_setup, teardown)
             + cmocka_run_group_tests(folder_tests, folder_setup, teardown)
             + cmocka_run_group_tests(registry_tests, NULL, NULL);
    apr_terminate();
    return failed;
}
