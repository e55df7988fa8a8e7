"""A face in, an emotion out: pictures and videos, the faces in them, and what a model says of each."""
