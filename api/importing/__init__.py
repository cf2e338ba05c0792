"""Recorded transcripts, read in the formats agents leave behind and driven through the API."""
