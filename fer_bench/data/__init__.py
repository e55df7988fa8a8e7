"""The data: found, read, cached, brought under a label scheme, split."""
