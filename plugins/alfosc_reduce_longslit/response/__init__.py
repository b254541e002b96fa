"""The response of telescope and instrument from standard stars, with atmosphere and telluric absorption."""
