"""Fringes of thin detectors in the red."""
