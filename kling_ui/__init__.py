"""Kling UI: try every Kling video model of the AI/ML API, with or without a key."""
