"""What was not there before."""
