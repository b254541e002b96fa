"""Steps on long-slit spectra: wavelengths, sky, objects, extraction, flux, combination."""
