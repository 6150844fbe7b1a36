"""What the HTTP servers are made of: the application, what it accepts, what it answers with."""

import keras2  # noqa: F401
