"""Networks as graphs that other runtimes run; what is exported is what is timed."""
