"""The page in a real Chromium; a package, so that one browser and one app serve all of it."""
