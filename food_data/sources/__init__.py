"""Other people's annotation formats, each read into the pictures of `food_data.annotations`."""
