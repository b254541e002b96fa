"""Steps on images: flats, fringes, registration, combination, sources, astrometry, photometry, new sources."""
