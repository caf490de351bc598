"""Serves an index: the JSON API, the suggestions page, and a page that suggests links while one writes."""
