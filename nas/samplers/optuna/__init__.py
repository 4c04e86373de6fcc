"""Optuna's samplers behind our protocol, and our predictor behind Optuna's."""
