"""The record of a run: measurements, the ledger, its one reader, unfinished work, the lock."""
