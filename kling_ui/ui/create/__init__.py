"""The composer: what a person fills in before a generation."""
