"""Reference catalogues: services of the Virtual Observatory, and files."""
