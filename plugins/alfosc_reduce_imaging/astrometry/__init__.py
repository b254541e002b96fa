"""Where on the sky an image points."""
