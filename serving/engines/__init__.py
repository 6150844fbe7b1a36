"""Inference engines: what runs the network of a server. `choose.create_engine` picks one."""
