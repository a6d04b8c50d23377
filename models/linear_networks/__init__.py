"""Products of matrices: reduced rank, deep linear networks, matrix factors, factor analysis."""
