"""The wavelengths of an exposure moved to its own night-sky lines."""
