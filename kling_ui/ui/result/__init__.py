"""The stage and what is told about one generation."""
