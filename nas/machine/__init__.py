"""The machine: device, threads, quiet hours, versions, whole files. Knows nothing else of us."""
