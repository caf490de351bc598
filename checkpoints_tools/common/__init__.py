"""Shared basics of both packages: errors, files, JSON, progress, command lines."""
