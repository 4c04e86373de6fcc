"""Region modules: a map and boxes."""
