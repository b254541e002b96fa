"""Objects on the slit found and traced."""
