"""Numbers about positions and models."""
