"""The parts of the benchmark: processes, data, load, report."""
