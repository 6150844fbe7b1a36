"""The HTTP routes, one module for each job; `serving/app.py` puts them together."""
