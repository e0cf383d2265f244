"""The settings: where requests go, what is spent, and how programs call the app."""
