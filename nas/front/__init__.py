"""Non-dominated sets: dominance, hypervolume, members, picks."""
