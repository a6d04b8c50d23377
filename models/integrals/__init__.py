"""Quadrature rules and closed forms that the oracles are built from."""
