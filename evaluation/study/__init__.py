"""What `evaluate.py` and `calibrate.py` do with a model; `document` puts it all together."""
