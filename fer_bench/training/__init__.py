"""What deep runners share: preprocessing, augmentation, the training loop, initial weights, devices.

The modules ``preprocess``, ``augment`` and ``fit`` import Keras at their top, so import them inside functions;
``weights`` and ``device`` import nothing heavy.
"""
