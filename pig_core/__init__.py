"""Physics-as-inverse-graphics: find objects in raw video and measure the physics between them."""
