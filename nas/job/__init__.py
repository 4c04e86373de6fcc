"""A job: its file, what is prepared from it, and its workers."""
