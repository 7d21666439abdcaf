"""The label: what the model is to predict. It is a column of the data, and no feature."""

LABEL = "is_fraud"
