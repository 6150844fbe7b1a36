"""What runs the network of a server; `predictor.create_engine` picks one."""
