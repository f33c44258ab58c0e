"""`make bench`: what this costs, side by side with other ways to run the same on one machine, as ratios in one run."""
