"""Files that fix what is on disk for ever, and their generator."""
