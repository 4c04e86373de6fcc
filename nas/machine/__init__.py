"""The machine: device, threads, quiet hours, versions, files. Knows no other part of plugnas."""
