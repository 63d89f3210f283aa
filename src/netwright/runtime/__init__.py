"""What runs beneath: plans, the cache, the run folder, seeds, processors and kernels."""
