"""ALFOSC at the Nordic Optical Telescope."""
