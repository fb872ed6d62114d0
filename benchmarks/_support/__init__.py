"""What the benchmarks share: the machine, interleaved timing, photos, reports."""
