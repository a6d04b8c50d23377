"""Mixtures and models with hidden states."""
