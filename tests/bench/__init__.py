"""The benchmark: our server and the real git-annex side by side, in one run. Start it with bin/bench."""
