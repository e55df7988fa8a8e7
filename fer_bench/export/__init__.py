"""A trained model as a file for elsewhere: ONNX, LiteRT, Keras, and the card that goes with it."""
