"""A trained model in use: export, calibration, scoring, int8."""
