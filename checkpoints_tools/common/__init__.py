"""What every package here needs: errors, files, JSON, command lines."""
