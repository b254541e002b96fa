"""Lines of lamps and of the night sky as the slit makes them: found, grouped into blends, measured."""
