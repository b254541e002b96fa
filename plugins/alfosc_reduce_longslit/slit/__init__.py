"""The slit: the part of a frame that it lights, its place on the sky, the light it loses, and the light along it."""
