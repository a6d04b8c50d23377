"""Functions of few parameters whose zeros cross, bend or stand apart."""
