"""The light of stars: background, detection, shape, point spread function."""
