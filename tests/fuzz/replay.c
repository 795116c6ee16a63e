/* Runs a fuzz target over its corpus: PROGRAM [FILE...]
 *
 * Without files, over those of tests/fuzz/corpus/<name> below BOOKING_SRC. The last line counts
 * them; exit 1 when one failed or there was none. A child does the work, so that an input that
 * crashes is named and the rest still run. */
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <apr_file_info.h>
#include <apr_file_io.h>

#include "fuzz.h"

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static apr_array_header_t *corpus_list(apr_pool_t *p)
{
    apr_array_header_t *files = apr_array_make(p, 256, sizeof(const char *));
    const char *source = getenv("BOOKING_SRC");
    const char *folder = apr_pstrcat(p, source ? source : ".", "/tests/fuzz/corpus/",
                                     fuzz_name, NULL);
    apr_finfo_t info;
    apr_dir_t *dir;

    if (apr_dir_open(&dir, folder, p) != APR_SUCCESS) {
        fprintf(stderr, "no corpus: %s\n", folder);
        return files;
    }
    while (apr_dir_read(&info, APR_FINFO_NAME, dir) == APR_SUCCESS) {
        if (info.name[0] != '.') {
            APR_ARRAY_PUSH(files, const char *) = apr_pstrcat(p, folder, "/", info.name, NULL);
        }
    }
    apr_dir_close(dir);
    qsort(files->elts, (size_t)files->nelts, sizeof(const char *), by_name);
    return files;
}

static void replay(const char *path, apr_pool_t *p)
{
    apr_file_t *f;
    apr_finfo_t info;
    uint8_t *data;

    if (apr_file_open(&f, path, APR_READ | APR_BINARY, APR_OS_DEFAULT, p) != APR_SUCCESS ||
        apr_file_info_get(&info, APR_FINFO_SIZE, f) != APR_SUCCESS) {
        fprintf(stderr, "cannot be read: %s\n", path);
        abort();
    }
    /* Exactly as long as the input, so that a sanitizer sees each read beyond it. */
    data = malloc((size_t)info.size + (info.size == 0));
    if (!data || apr_file_read_full(f, data, (apr_size_t)info.size, NULL) != APR_SUCCESS) {
        abort();
    }
    apr_file_close(f);
    LLVMFuzzerTestOneInput(data, (size_t)info.size);
    free(data);
}

/* Runs the files from *first on in a child; *at follows. Returns how the child ended. */
static int child_run(const apr_array_header_t *files, int first, volatile int *at, apr_pool_t *p)
{
    int status = 1;
    pid_t child;

    fflush(stdout);
    *at = first;
    child = fork();
    if (child == 0) {
        for (; *at < files->nelts; ++*at) {
            replay(APR_ARRAY_IDX(files, *at, const char *), p);
        }
        exit(0);
    }
    return child < 0 || waitpid(child, &status, 0) < 0 ? 1 : status;
}

int main(int argc, char **argv)
{
    apr_pool_t *p = fuzz_process();
    apr_array_header_t *files;
    volatile int *at = mmap(NULL, sizeof(*at), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                            -1, 0);
    int failed = 0;

    files = argc > 1 ? apr_array_make(p, argc, sizeof(const char *)) : corpus_list(p);
    for (int i = 1; i < argc; i++) {
        APR_ARRAY_PUSH(files, const char *) = argv[i];
    }
    for (int first = 0; first < files->nelts; first = *at + 1) {
        if (child_run(files, first, at, p) != 0) {
            /* At the end: what the child left behind, as a leak. */
            printf("FAIL %s\n", *at < files->nelts ? APR_ARRAY_IDX(files, *at, const char *)
                                                   : "the end of the run");
            failed++;
        }
    }
    printf("%d passed, %d failed, 0 skipped\n", files->nelts > failed ? files->nelts - failed : 0,
           failed);
    return failed || files->nelts == 0;
}
