"""Two to four results side by side on one clock, and what differs between their settings."""
