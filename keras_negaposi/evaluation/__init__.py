"""Is it real? Figures, intervals, baselines, audit, controls, ranking, verdict and report of a finished run."""
