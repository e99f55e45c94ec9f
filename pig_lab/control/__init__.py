"""Control from pixels: a pendulum is learned from video with random actions, then swung up by planning."""
