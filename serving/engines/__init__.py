"""Inference engines: what runs the network of a server."""
