"""Ask and tell, rungs, the loop that drives a search, a fixed list of architectures."""
