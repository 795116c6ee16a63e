"""Waiting for something to become true, instead of sleeping and hoping."""
import time


def until(condition, what, seconds=10.0, pause=0.02):
    """Calls condition() until it answers something true, and returns that."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain for: {what}")
        time.sleep(pause)
