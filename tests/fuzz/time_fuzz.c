/* Dates, times and instants: what is read is in its range, and written it reads the same. */
#include "fuzz.h"

#include "booking/time.h"

const char fuzz_name[] = "time";

static void date(const char *s, size_t len)
{
    char text[BK_DATE_BUF];
    bk_date_t d, again;

    if (bk_date_parse(s, len, &d)) {
        FUZZ_EXPECT(d >= BK_DATE_MIN && d <= BK_DATE_MAX);
        FUZZ_EXPECT(bk_date_format(d, text) == len && memcmp(text, s, len) == 0);
        FUZZ_EXPECT(bk_date_parse(text, len, &again) && again == d);
    }
}

static void tod(const char *s, size_t len, bool allow_24)
{
    char text[BK_DATE_BUF];
    int t, again;

    if (bk_tod_parse(s, len, allow_24, &t)) {
        FUZZ_EXPECT(t >= 0 && t < BK_DAY_S + allow_24);
        FUZZ_EXPECT(bk_tod_format(t, text) == 8 && memcmp(text, s, len) == 0);
        FUZZ_EXPECT(bk_tod_parse(text, 8, allow_24, &again) && again == t);
        FUZZ_EXPECT(bk_tod_label(t, text) == 8);
    }
}

static void instant(const char *s, size_t len)
{
    char text[BK_INSTANT_BUF];
    bk_time_t t, again;
    bool has_offset = false;

    if (!bk_datetime_parse(s, len, &t, &has_offset)) {
        FUZZ_EXPECT(!bk_instant_parse(s, len, &again));
        return;
    }
    FUZZ_EXPECT(bk_instant_parse(s, len, &again) == has_offset);
    FUZZ_EXPECT(bk_instant_parse(text, bk_utc_format(t, text), &again) && again == t);
    FUZZ_EXPECT(bk_instant_parse(text, bk_utc_format_ms(t, text), &again) && again == t);
}

/* Formatting takes any number: the first bytes are one. */
static void number(const uint8_t *data, size_t size)
{
    char text[BK_INSTANT_BUF];
    int64_t n = 0;
    bk_time_t t;
    int offset = 0;

    memcpy(&n, data, size < sizeof(n) ? size : sizeof(n));
    memcpy(&offset, data, size < sizeof(offset) ? size : sizeof(offset));
    offset %= BK_DAY_S;
    FUZZ_EXPECT(bk_instant_parse(text, bk_utc_format(n, text), &t));
    bk_instant_format(n, offset, text);
    bk_date_format((bk_date_t)n, text);
    bk_tod_format((int)n, text);
    bk_tod_label((int)n, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *s = (const char *)data;

    date(s, size);
    tod(s, size, false);
    tod(s, size, true);
    instant(s, size);
    number(data, size);
    return 0;
}
