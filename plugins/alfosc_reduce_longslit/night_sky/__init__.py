"""Lines of the night sky: which there are, and where a frame shows them."""
