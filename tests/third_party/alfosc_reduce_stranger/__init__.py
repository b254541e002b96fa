"""A step and an instrument by somebody else."""
