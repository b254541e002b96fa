"""The sky, modelled on the wavelength map or taken from another exposure, and subtracted."""
