"""What was made before: the list and what can be done with it."""
