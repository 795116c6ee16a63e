#!/bin/sh
# The project's own slot cases, through the engine's public functions.
exec tests/slot_cases "$BOOKING_SRC/tests/unit/slot-cases.json"
