"""The page in the browser on which a picture of a face gets its emotions."""
