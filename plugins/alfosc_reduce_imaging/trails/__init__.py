"""Trails of satellites and meteors: straight lines of light that one exposure has and the sky has not."""
