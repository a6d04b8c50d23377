"""Networks with a hidden layer of tanh, ReLU, exponential, radial or polynomial units."""
