"""Parts that a run may choose beside the paper's own: corrections of ours, and baselines that know less."""
