"""The default sampler: a Gaussian process and expected hypervolume improvement."""
