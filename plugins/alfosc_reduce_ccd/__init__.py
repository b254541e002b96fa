"""Steps on raw CCD frames: overscan, bias, dark, flat, detector noise, cosmic rays."""
