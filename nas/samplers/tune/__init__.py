"""Ray Tune's searchers and schedulers behind our protocol, and our laws around its searchers."""
