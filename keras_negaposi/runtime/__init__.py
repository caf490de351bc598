"""What all commands use: the run's folder, locks, executors, HTML templates."""
