"""How good answers are: metrics with intervals, baselines, calibration."""
