"""Simulated raw ALFOSC nights with known truth."""
