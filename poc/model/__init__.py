"""The fraud model: trained from point-in-time features, kept by MLflow, scored by ONNX Runtime.

What a server imports (`scoring`, `registry`) needs neither scikit-learn nor pandas.
"""
