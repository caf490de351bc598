"""What a run works with: its folder, locks, progress, executors."""
