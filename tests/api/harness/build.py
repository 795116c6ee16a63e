"""Where the build is, and whether it is instrumented."""
import functools
import os
import pathlib
import subprocess

TOP = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("BOOKING_BUILD", TOP)).resolve()
MODULE = BUILD / ".libs" / "mod_booking.so"
CTL = BUILD / "bookingctl"
SQL = TOP / "sql"
APACHE = os.environ.get("APACHE", "/usr/sbin/apache2")
MODULES = pathlib.Path("/usr/lib/apache2/modules")


def missing():
    """What has to be built before a test can run, in words; empty when all is there."""
    return ", ".join(str(path) for path in (MODULE, CTL) if not path.exists())


@functools.lru_cache(maxsize=None)
def sanitized():
    found = subprocess.run(["nm", "-D", str(MODULE)], capture_output=True, text=True)
    return "__asan_init" in found.stdout


@functools.lru_cache(maxsize=None)
def _library(name):
    found = subprocess.run(["gcc", f"-print-file-name={name}"], capture_output=True, text=True)
    return os.path.realpath(found.stdout.strip())


def sanitizer_env():
    """Environment for a program that loads an instrumented module into a plain executable."""
    if not sanitized():
        return {}
    return {
        "LD_PRELOAD": " ".join([_library("libasan.so"), _library("libubsan.so")]),
        "ASAN_OPTIONS": "detect_leaks=0:handle_segv=2:handle_sigbus=2:handle_abort=2:"
                        "detect_odr_violation=0:verify_asan_link_order=0",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=0",
    }


def ctl(*arguments, check=True, env=None):
    """Runs bookingctl. The program is instrumented itself: no preload, but no leak check either."""
    environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=0", **(env or {}))
    done = subprocess.run([str(CTL), *map(str, arguments)], capture_output=True, text=True,
                          env=environment, timeout=120)
    if check and done.returncode != 0:
        raise AssertionError(
            f"bookingctl {' '.join(map(str, arguments))} ended with {done.returncode}:\n"
            f"{done.stdout}{done.stderr}")
    return done
