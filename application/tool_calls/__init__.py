"""A tool call from proposal to outcome: the job Magistrate exists for."""
