"""An instrument with tiny frames and steps that are quick, or break in a chosen way."""
