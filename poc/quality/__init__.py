"""Whether data may be served: its rules, its drift from the training data, its skew offline to online."""
