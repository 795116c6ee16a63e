/* bookingctl: the administrator's command. Migrations, keys, and the statements we measure. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_file_info.h>
#include <apr_file_io.h>
#include <apr_strings.h>

#include "booking/store.h"
#include "booking/zone.h"

#ifndef SQL_DIR
#define SQL_DIR "sql"
#endif

typedef struct {
    const char *dsn, *schema, *sql_dir;
} options_t;

static int fail(const char *what)
{
    fprintf(stderr, "bookingctl: %s\n", what);
    return 1;
}

/* --- migrations ------------------------------------------------------------------------------- */

typedef struct {
    int version;
    const char *name, *sql, *sha256;
} migration_t;

static int by_version(const void *a, const void *b)
{
    return ((const migration_t *)a)->version - ((const migration_t *)b)->version;
}

static const char *file_text(const char *path, apr_pool_t *p)
{
    apr_file_t *f;
    apr_finfo_t info;
    apr_size_t len;
    char *text;

    if (apr_file_open(&f, path, APR_READ, APR_OS_DEFAULT, p) != APR_SUCCESS ||
        apr_file_info_get(&info, APR_FINFO_SIZE, f) != APR_SUCCESS) {
        return NULL;
    }
    text = apr_pcalloc(p, (apr_size_t)info.size + 1);
    if (apr_file_read_full(f, text, (apr_size_t)info.size, &len) != APR_SUCCESS) {
        return NULL;
    }
    apr_file_close(f);
    return text;
}

/* NNNN_name.sql, in the order of their numbers, which run from 1 without a gap. */
static const char *migrations_read(apr_array_header_t **out, const char *dir, apr_pool_t *p)
{
    apr_dir_t *d;
    apr_finfo_t file;

    *out = apr_array_make(p, 8, sizeof(migration_t));
    if (apr_dir_open(&d, dir, p) != APR_SUCCESS) {
        return apr_psprintf(p, "the folder of migrations %s cannot be read (--sql DIR)", dir);
    }
    while (apr_dir_read(&file, APR_FINFO_NAME, d) == APR_SUCCESS) {
        size_t n = strlen(file.name);
        if (strspn(file.name, "0123456789") == 4 && file.name[4] == '_' && n > 9 &&
            strcmp(file.name + n - 4, ".sql") == 0) {
            migration_t *m = apr_array_push(*out);
            unsigned char hash[32];
            m->version = atoi(file.name);
            m->name = apr_pstrdup(p, file.name);
            m->sql = file_text(apr_pstrcat(p, dir, "/", file.name, NULL), p);
            if (!m->sql) {
                return apr_psprintf(p, "%s cannot be read", file.name);
            }
            bk_sha256(hash, m->sql, strlen(m->sql));
            m->sha256 = bk_hex_encode(hash, sizeof(hash), p);
        }
    }
    apr_dir_close(d);
    qsort((*out)->elts, (size_t)(*out)->nelts, sizeof(migration_t), by_version);
    for (int i = 0; i < (*out)->nelts; i++) {
        if (APR_ARRAY_IDX(*out, i, migration_t).version != i + 1) {
            return apr_psprintf(p, "migration %04d is missing in %s", i + 1, dir);
        }
    }
    return (*out)->nelts ? NULL : apr_psprintf(p, "there are no migrations in %s", dir);
}

typedef struct {
    const options_t *options;
    const apr_array_header_t *migrations;
    bool done;       /* nothing left to apply */
    const char *why; /* what failed, for the terminal */
    int applied;     /* version applied by this step, 0 for none */
} step_t;

static bk_err_t *script(bk_db_t *db, step_t *s, const char *sql, apr_pool_t *p)
{
    return bk_db_script(db, sql, &s->why, p);
}

static bk_err_t *refuse(step_t *s, apr_pool_t *p, const char *why)
{
    s->why = why;
    return bk_err_make(BK_E_CONFLICT, p, NULL);
}

/* What is applied must be what the files say; *level is the highest version applied. */
static bk_err_t *applied_check(int *level, bk_db_t *db, step_t *s, apr_pool_t *p)
{
    static const bk_stmt_t applied = {
        "migrations_applied", "SELECT version, sha256 FROM booking_migrations ORDER BY version"};
    bk_rows_t *rows;

    BK_TRY(bk_db_run(&rows, db, &applied, NULL, p));
    *level = 0;
    for (int r = 0; r < bk_rows_count(rows); r++) {
        *level = (int)bk_cell_int(rows, r, 0);
        if (*level > s->migrations->nelts) {
            return refuse(s, p, apr_psprintf(p, "the database is at migration %d, newer than this "
                                             "program (%d): install the newer version", *level,
                                             s->migrations->nelts));
        }
        if (strcmp(bk_cell_text(rows, r, 1),
                   APR_ARRAY_IDX(s->migrations, *level - 1, migration_t).sha256) != 0) {
            return refuse(s, p, apr_psprintf(p, "migration %04d was changed after it was applied",
                                             *level));
        }
    }
    return NULL;
}

static bk_err_t *apply(bk_db_t *db, step_t *s, const migration_t *m, apr_pool_t *p)
{
    static const bk_stmt_t record = {
        "migration_record",
        "INSERT INTO booking_migrations (version, name, sha256) VALUES ($1, $2, $3)"};
    bk_args_t a = {0};

    BK_TRY(script(db, s, m->sql, p));
    bk_arg_int4(&a, m->version);
    bk_arg_text(&a, m->name);
    bk_arg_text(&a, m->sha256);
    BK_TRY(bk_db_run(NULL, db, &record, &a, p));
    s->applied = m->version;
    return NULL;
}

/* One migration, or the news that there is none, in one transaction behind one lock. */
static bk_err_t *step(bk_db_t *db, void *baton, apr_pool_t *p)
{
    step_t *s = baton;
    int level;

    s->applied = 0;
    BK_TRY(script(db, s,
                  "SELECT pg_advisory_xact_lock(hashtextextended('booking migrate', 0))", p));
    if (s->options->schema) {
        BK_TRY(script(db, s, apr_psprintf(p, "CREATE SCHEMA IF NOT EXISTS %s; "
                                          "SET LOCAL search_path = %s, public",
                                          s->options->schema, s->options->schema), p));
    }
    BK_TRY(script(db, s, "CREATE TABLE IF NOT EXISTS booking_migrations ("
                         "version INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL, "
                         "applied_at TIMESTAMPTZ NOT NULL DEFAULT now())", p));
    BK_TRY(applied_check(&level, db, s, p));
    s->done = level == s->migrations->nelts;
    return s->done ? NULL
                   : apply(db, s, &APR_ARRAY_IDX(s->migrations, level, migration_t), p);
}

static int migrate(const options_t *o, apr_pool_t *p)
{
    bk_db_source_t *source;
    step_t s = {o, NULL, false, NULL, 0};
    apr_array_header_t *migrations;
    const char *wrong = migrations_read(&migrations, o->sql_dir, p);
    bk_db_t *db;
    int n = 0;

    if (wrong) {
        return fail(wrong);
    }
    s.migrations = migrations;
    if (bk_db_connect(&source, o->dsn, &s.why, p) || bk_db_open(&db, source, p)) {
        return fail(s.why ? s.why : "cannot connect");
    }
    while (!s.done) {
        bk_err_t *e = bk_db_transact(db, step, &s, p);
        if (e) {
            return fail(s.why ? s.why : e->detail);
        }
        if (s.applied) {
            n++;
            printf("applied %s\n",
                   APR_ARRAY_IDX(migrations, s.applied - 1, migration_t).name);
        }
    }
    printf("the schema is at migration %d (%d applied now)\n", migrations->nelts, n);
    return 0;
}

/* --- the small ones --------------------------------------------------------------------------- */

static int key_new(void)
{
    unsigned char key[BK_KEY_LEN];
    apr_pool_t *p;

    apr_pool_create(&p, NULL);
    bk_random(key, sizeof(key));
    puts(bk_hex_encode(key, sizeof(key), p));
    return 0;
}

static int print_statement(const char *name)
{
    const bk_stmt_t *stmt = bk_store_statement(name);

    if (!stmt) {
        return fail("there is no such statement: try busy, book or user_list");
    }
    puts(stmt->sql);
    return 0;
}

static int usage(void)
{
    fputs("usage: bookingctl migrate --dsn DSN [--schema NAME] [--sql DIR]\n"
          "                                brings the database's schema up to date\n"
          "       bookingctl key new       prints a fresh key for BookingKey\n"
          "       bookingctl sql NAME      prints a statement: busy, book, user_list\n"
          "       bookingctl version\n"
          "DSN is a PostgreSQL connection string; BOOKING_DSN in the environment serves too.\n",
          stderr);
    return 2;
}

static bool schema_valid(const char *name)
{
    return (*name == '_' || (*name >= 'a' && *name <= 'z')) && strlen(name) < 64 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(name);
}

/* --name value pairs; NULL or what is wrong. */
static const char *options_read(options_t *o, int argc, char **argv)
{
    for (int i = 0; i < argc; i += 2) {
        if (i + 1 == argc) {
            return "an option lacks its value";
        }
        if (strcmp(argv[i], "--dsn") == 0) {
            o->dsn = argv[i + 1];
        }
        else if (strcmp(argv[i], "--schema") == 0) {
            o->schema = argv[i + 1];
        }
        else if (strcmp(argv[i], "--sql") == 0) {
            o->sql_dir = argv[i + 1];
        }
        else {
            return "unknown option";
        }
    }
    if (o->schema && !schema_valid(o->schema)) {
        return "a schema's name is lower-case letters, digits and _";
    }
    return o->dsn ? NULL : "say which database: --dsn, or BOOKING_DSN";
}

int main(int argc, char **argv)
{
    options_t o = {getenv("BOOKING_DSN"), NULL, SQL_DIR};
    apr_pool_t *p;
    const char *wrong;

    apr_initialize();
    atexit(apr_terminate);
    apr_pool_create(&p, NULL);
    if (argc >= 2 && strcmp(argv[1], "migrate") == 0) {
        wrong = options_read(&o, argc - 2, argv + 2);
        return wrong ? fail(wrong) : migrate(&o, p);
    }
    if (argc == 3 && strcmp(argv[1], "key") == 0 && strcmp(argv[2], "new") == 0) {
        return key_new();
    }
    if (argc == 3 && strcmp(argv[1], "sql") == 0) {
        return print_statement(argv[2]);
    }
    if (argc == 2 && strcmp(argv[1], "version") == 0) {
        puts(BK_VERSION);
        return 0;
    }
    return usage();
}
