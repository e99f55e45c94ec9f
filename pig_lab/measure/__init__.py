"""From a clip of one's own to constants with error bars: reading, tracking, laws, fits."""
