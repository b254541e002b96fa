"""Which lamp line is which: the instrument's tables matched to the lines of an arc."""
