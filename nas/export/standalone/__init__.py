"""Files that run without plugnas: they are copied or run by path, never imported from here."""
