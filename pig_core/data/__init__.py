"""Making and reading videos."""
