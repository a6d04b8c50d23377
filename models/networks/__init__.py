"""Networks with a hidden layer of tanh, ReLU or exponential units."""
