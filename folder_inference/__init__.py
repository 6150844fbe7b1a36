"""What `batch_api_inference.py` is made of: pictures of a folder to answers, tables, drawings."""

import keras2  # noqa: F401
