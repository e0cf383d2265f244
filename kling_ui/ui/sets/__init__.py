"""Several generations in one go: what is varied, the set that comes of it, its grid."""
