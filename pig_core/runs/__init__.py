"""A run, and what it leaves behind."""
