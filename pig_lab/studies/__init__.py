"""Comparisons: what runs, and what is shown of it."""
