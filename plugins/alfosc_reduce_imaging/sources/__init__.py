"""The catalogue of an image: every source measured."""
