"""One pattern of points found in another: frames laid on frames, and on catalogues."""
